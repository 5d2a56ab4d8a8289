import Fastify from 'fastify'
import realtime, { defineRooms } from 'fastify-realtime'

const { REDIS_URL, JWT_SECRET, PORT = '3001', NODE_NAME = PORT, TRUST_PROXY = 'loopback', LOG_LEVEL = 'warn' } = process.env
// Nodes that do not share both are strangers to each other, and a client that moves would be a stranger to the next one.
if (!REDIS_URL || !JWT_SECRET) throw new Error('REDIS_URL and JWT_SECRET are needed, the same for every node')

const app = Fastify({
  logger: { level: LOG_LEVEL },
  // Addresses of the balancer, whose X-Forwarded-For is believed. Never `true` where anybody else can reach this port.
  trustProxy: TRUST_PROXY.split(',')
})

await app.register(realtime, {
  auth: { secret: JWT_SECRET, algorithms: ['HS256'] },
  redis: REDIS_URL,
  rooms: defineRooms({
    'chat:{id}': { join: () => true, publish: 'members', presence: true, history: { size: 1000, ttl: '5m' } }
  }),
  // Two checks of the balancer fit in the spread, and an orchestrator's patience (30 s in Kubernetes) is longer than the deadline.
  drain: { spread: '4s', deadline: '10s' }
})

// Which node is it, and whom does it take the client for?
app.realtime.handle('node', {}, () => NODE_NAME)
app.get('/node', async (request) => ({ node: NODE_NAME, address: request.ip }))

// Signs in whoever asks, under any name: a demo.
const login = { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1, maxLength: 24 } } } as const
app.post<{ Body: { name: string } }>('/login', { schema: { body: login } }, async ({ body }) => {
  return { token: app.jwt.sign({ sub: body.name }, { expiresIn: '1h' }) }
})

// An ordinary route that speaks to a room: its members are on all nodes.
app.post<{ Params: { id: string }, Body: unknown }>('/chat/:id', async ({ params, body }) => {
  return await app.realtime.notifyRoom(`chat:${params.id}`, 'message', body)
})

await app.listen({ host: '127.0.0.1', port: Number(PORT) })
console.log(`node ${NODE_NAME} listens on 127.0.0.1:${PORT}`)

// Readiness turns to 503, every client is told when to come back, and the process ends when the last one has gone.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    app.close().catch((err: unknown) => {
      app.log.error({ err }, 'could not close')
      process.exitCode = 1
    })
  })
}
