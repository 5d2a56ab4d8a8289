import type { FastifyInstance } from 'fastify'
import type { RealtimeHookName, RealtimeHooks } from '../../types/hooks.js'

interface Registered<Name extends RealtimeHookName> {
  readonly server: FastifyInstance
  readonly fn: RealtimeHooks[Name]
}

/** The app-wide hooks, each with the instance that added it. */
export class Hooks {
  readonly onConnect: Array<Registered<'onConnect'>> = []
  readonly onJoin: Array<Registered<'onJoin'>> = []
  readonly onMessage: Array<Registered<'onMessage'>> = []
  readonly onLeave: Array<Registered<'onLeave'>> = []
  readonly onDisconnect: Array<Registered<'onDisconnect'>> = []
}
