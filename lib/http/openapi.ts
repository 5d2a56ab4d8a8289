import type { FastifyContextConfig, FastifySchema } from 'fastify'

/** What @fastify/swagger hands to the transform of a route. */
export interface Documented {
  readonly schema: FastifySchema
  readonly url: string
  readonly openapiObject?: object
}

/**
 * `config` of our open routes. They are in JSON Schema whatever the app uses, so its own transform for @fastify/swagger, made for
 * Zod say, must not get them.
 */
export const openRoute: FastifyContextConfig & { readonly swaggerTransform: false } = { swaggerTransform: false }

/** `config` of those that want credentials: names the app's bearer scheme, if its document has one; naming none it has would throw. */
export const bearerRoute = {
  swaggerTransform ({ schema, url, openapiObject = {} }: Documented): { schema: FastifySchema, url: string } {
    const name = bearerScheme(openapiObject)
    if (name === undefined) return { schema, url }
    const secured = { ...schema, security: [{ [name]: [] }] }
    return { schema: secured, url }
  }
}

function bearerScheme (document: object): string | undefined {
  const schemes = child(child(document, 'components'), 'securitySchemes')
  return Object.keys(schemes).find(name => {
    const scheme = child(schemes, name)
    return 'type' in scheme && scheme.type === 'http' && 'scheme' in scheme && scheme.scheme === 'bearer'
  })
}

function child (parent: object, key: string): object {
  const value: unknown = Object.getOwnPropertyDescriptor(parent, key)?.value
  return typeof value === 'object' && value !== null ? value : {}
}
