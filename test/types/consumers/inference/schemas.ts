/* eslint-disable @typescript-eslint/no-unused-vars -- values are here for their types */
import { Type } from '@sinclair/typebox'
import * as Type1 from 'typebox'
import type { Infer, InferInput, Jsonify } from 'fastify-realtime'
import * as v from 'valibot'
import { z } from 'zod'
import { equal } from './equal.js'

// TypeBox 0.34
const classic = Type.Object({ text: Type.String(), n: Type.Optional(Type.Integer()), kind: Type.Union([Type.Literal('a'), Type.Null()]) })
equal<Infer<typeof classic>, { text: string, n?: number, kind: 'a' | null }>(true)
const recursive = Type.Recursive((This) => Type.Object({ id: Type.String(), children: Type.Array(This) }))
equal<Infer<typeof recursive>['children'][number]['id'], string>(true)

// TypeBox 1
const modern = Type1.Object({
  text: Type1.String(),
  n: Type1.Optional(Type1.Integer()),
  kind: Type1.Union([Type1.Literal('a'), Type1.Literal(1), Type1.Null()]),
  list: Type1.Array(Type1.Boolean()),
  pair: Type1.Tuple([Type1.String(), Type1.Number()]),
  either: Type1.Enum(['x', 'y']),
  counts: Type1.Record(Type1.String(), Type1.Number()),
  anything: Type1.Unknown(),
  own: Type1.Unsafe<{ q: 1 }>({})
})
equal<Infer<typeof modern>, Type1.Static<typeof modern>>(true)
equal<Infer<typeof modern>['pair'], [string, number]>(true)
const both = Type1.Intersect([Type1.Object({ a: Type1.String() }), Type1.Object({ b: Type1.Number() })])
equal<Infer<typeof both>['a'] | Infer<typeof both>['b'], string | number>(true)
const cyclic = Type1.Cyclic({ Node: Type1.Object({ id: Type1.String(), nodes: Type1.Array(Type1.Ref('Node')) }) }, 'Node')
equal<Infer<typeof cyclic>['nodes'][number]['nodes'][number]['id'], string>(true)

// Standard Schema
const zod = z.object({ a: z.string().default('x'), at: z.coerce.date(), b: z.number().optional() })
equal<Infer<typeof zod>, { a: string, at: Date, b?: number | undefined }>(true)
equal<InferInput<typeof zod>['a'], string | undefined>(true)
const valibot = v.object({ a: v.string(), n: v.optional(v.number(), 1) })
equal<Infer<typeof valibot>, { a: string, n: number }>(true)

// JSON Schema
const json = {
  $defs: { point: { type: 'object', required: ['x'], properties: { x: { type: 'number' } } } },
  type: 'object',
  required: ['a', 'undescribed'],
  properties: {
    a: { type: 'string' },
    b: { type: ['number', 'null'] },
    c: { enum: ['x', 1] },
    d: { type: 'array', items: { type: 'boolean' } },
    e: { const: 4 },
    f: { anyOf: [{ type: 'string' }, { type: 'object', properties: { z: { type: 'integer' } } }] },
    g: { allOf: [{ type: 'object', required: ['q'], properties: { q: { type: 'string' } } }] },
    h: { type: 'string', nullable: true },
    i: { type: 'array', items: [{ type: 'string' }, { type: 'number' }], additionalItems: false },
    j: { type: 'object', additionalProperties: { type: 'number' } },
    k: { $ref: '#/$defs/point' },
    l: { $ref: 'elsewhere' },
    m: {}
  }
} as const
type Json = Infer<typeof json>
equal<Json['a'], string>(true)
equal<Json['b'], number | null | undefined>(true)
equal<Json['c'], 'x' | 1 | undefined>(true)
equal<Json['d'], boolean[] | undefined>(true)
equal<Json['e'], 4 | undefined>(true)
equal<Json['f'], string | { z?: number } | undefined>(true)
equal<Json['g'], { q: string } | undefined>(true)
equal<Json['h'], string | null | undefined>(true)
equal<Json['i'], [string, number] | undefined>(true)
equal<Json['j'], { [key: string]: number } | undefined>(true)
equal<Json['k'], { x: number } | undefined>(true)
equal<Json['l'], unknown>(true)
equal<Json['m'], unknown>(true)
equal<Json['undescribed'], unknown>(true)

// Nothing is known
equal<Infer<object>, unknown>(true)
equal<Infer<Record<string, unknown>>, unknown>(true)

// What JSON leaves
equal<
  Jsonify<{ at: Date, maybe?: Date, fn: () => void, nothing: undefined, text?: string, list: (Date | undefined)[], any: unknown, own: { toJSON (): number }, map: Map<string, 1>, pair: [Date, 1], either: 'a' | null, flag: boolean, empty: string | undefined }>,
    { at: string, maybe?: string, text?: string, list: (string | null)[], any: unknown, own: number, map: Record<string, never>, pair: [string, 1], either: 'a' | null, flag: boolean, empty?: string }
    >(true)
interface Tree { at: Date, children: Tree[] }
equal<Jsonify<Tree>['children'][number]['children'][number]['at'], string>(true)
equal<Jsonify<bigint>, never>(true)
