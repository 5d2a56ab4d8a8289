import type { FastifyInstance } from 'fastify'
import { refuseUpgrade } from './kit.js'
import type { Kit } from './kit.js'
import { openRoute } from './openapi.js'
import { logSerializers } from './redact.js'

/** `GET {path}/health` (liveness: the process answers) and `GET {path}/health/ready` (readiness: it can do its work). */
export function healthRoute (fastify: FastifyInstance, { options, deps }: Kit): void {
  const config = { ...openRoute, rateLimit: false } as const
  const common = { config, logLevel: 'warn', logSerializers, onRequest: refuseUpgrade } as const
  const url = `${options.path}/health`

  fastify.get(url, { ...common, schema: liveness }, async () => ({ status: 'ok', uptime: process.uptime() }))

  fastify.get(`${url}/ready`, { ...common, schema: readiness }, async (_request, reply) => {
    const { state: bridge, publicReason = 'unknown' } = deps.bridge.status()
    const draining = deps.draining()
    const ready = bridge === 'up' && !draining
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
    reply.code(ready ? 200 : 503).header('cache-control', 'no-store')
    return {
      status: ready ? 'ready' : 'unavailable',
      ...(!ready && { reason: bridge === 'up' ? 'draining' : publicReason }),
      uptime: process.uptime(),
      memoryUsage: { rss, heapUsed, heapTotal, external },
      bridge,
      draining
    }
  })
}

const uptime = { type: 'number', description: 'Seconds' }
const bytes = { type: 'integer', description: 'Bytes' }

const liveness = {
  tags: ['realtime'],
  summary: 'Liveness',
  response: {
    200: { description: 'Alive', type: 'object', properties: { status: { type: 'string', enum: ['ok'] }, uptime } }
  }
}

const state = {
  type: 'object',
  properties: {
    status: { type: 'string', enum: ['ready', 'unavailable'] },
    reason: { type: 'string', description: 'Why it is unavailable: draining, or what is wrong with the bridge' },
    uptime,
    memoryUsage: { type: 'object', properties: { rss: bytes, heapUsed: bytes, heapTotal: bytes, external: bytes } },
    bridge: { type: 'string', enum: ['up', 'down'], description: 'The connection with the other nodes' },
    draining: { type: 'boolean' }
  }
}

const readiness = {
  tags: ['realtime'],
  summary: 'Readiness',
  response: {
    200: { description: 'Ready', ...state },
    503: { description: 'Send traffic elsewhere', ...state }
  }
}
