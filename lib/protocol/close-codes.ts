/**
 * What a client does after a close: `stop` for good and tell the application, `reconnect` and resume, or `renew` its token
 * first and then reconnect.
 */
export type CloseAction = 'stop' | 'reconnect' | 'renew'

export interface CloseCode {
  readonly code: number
  readonly meaning: string
  readonly action: CloseAction
  /** Whether the first attempt already waits. Later ones always do. */
  readonly backoff: boolean
}

/** Every close code this protocol gives a meaning to, by name. What a client does on any other is in docs/protocol.md. */
export const closeCodes = {
  normal: { code: 1000, meaning: 'closed by the application', action: 'stop', backoff: false },
  goingAway: { code: 1001, meaning: 'the server is going away', action: 'reconnect', backoff: false },
  protocolError: { code: 1002, meaning: 'WebSocket violation: protocol error', action: 'stop', backoff: false },
  unsupportedData: { code: 1003, meaning: 'WebSocket violation: unsupported data', action: 'stop', backoff: false },
  invalidText: { code: 1007, meaning: 'WebSocket violation: text that is not UTF-8', action: 'stop', backoff: false },
  tooBig: { code: 1009, meaning: 'frame over maxPayload', action: 'stop', backoff: false },
  restarting: { code: 1012, meaning: 'the server is restarting', action: 'reconnect', backoff: false },
  overloaded: { code: 1013, meaning: 'overloaded', action: 'reconnect', backoff: true },
  violations: { code: 4400, meaning: 'repeated protocol violations', action: 'stop', backoff: false },
  credentialsExpired: { code: 4401, meaning: 'credentials expired or revoked', action: 'renew', backoff: false },
  accessWithdrawn: { code: 4403, meaning: 'access withdrawn', action: 'stop', backoff: false },
  heartbeatMissed: { code: 4408, meaning: 'heartbeat missed', action: 'reconnect', backoff: false },
  connectionLimit: { code: 4409, meaning: 'over the connection limit of the user; the oldest go', action: 'stop', backoff: false },
  tooSlow: { code: 4410, meaning: 'too slow: outbound bytes over the limit', action: 'reconnect', backoff: false },
  flooding: { code: 4429, meaning: 'flooding', action: 'reconnect', backoff: true }
} as const satisfies Record<string, CloseCode>
