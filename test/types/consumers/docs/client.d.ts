// What the blocks of client.md take for granted, unless they declare it themselves.
import type { Client, ClientMessage, Room } from 'fastify-realtime/client'
import type { Api } from './api.js'

declare global {
  const client: Client<Api>
  const room: Room<Api['rooms']['chat:{id}']>
  const user: { id: string }
  function getToken (): Promise<string>
  function show (message: ClientMessage): void
  function reload (reason?: unknown): Promise<void>
  function leave (reason: string): void
  function notify (order: string): Promise<void>
  function render (value: { name: string }): void
}
