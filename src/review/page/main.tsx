import { render } from 'preact'
import type { SaidVerdict, StaticReview } from '../contract.ts'
import 'virtual:look.css'
import './app.css'
import { App } from './app.tsx'
import { serverSource, staticSource } from './source.ts'

const root = document.getElementById('app')
const embedded = document.getElementById('review')?.textContent
const said = new Map<string, SaidVerdict>()
const source = embedded ? staticSource(JSON.parse(embedded) as StaticReview, said) : serverSource
if (root) render(<App source={source} said={said} />, root)
