declare module 'virtual:look.css'
declare module '*.css'
