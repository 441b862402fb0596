/** How pages of ours look, in the light and in the dark: the report of `rmbg stats` and the pages of `rmbg review`. */
export const look = `:root{color-scheme:light dark;--text:#1c2430;--page:#fff;--faint:#5b6675;--line:#e3e7ec;--blue:#3b7dd8;--red:#d8503b;--gray:#7a869a;--amber:#d88a3b}
@media (prefers-color-scheme:dark){:root{--text:#e4e8ee;--page:#14181e;--faint:#9aa5b4;--line:#2b323c;--blue:#6aa3f0;--red:#f07a66;--gray:#8d99ac;--amber:#f0ab66}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--page)}
h1{font-size:1.5rem}h2{font-size:1.1rem}
`
