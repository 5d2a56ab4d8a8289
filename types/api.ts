export type { Register } from './register.js'
