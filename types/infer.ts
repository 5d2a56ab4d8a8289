/*
 * What a schema says about its content, without importing any schema library: each kind is recognised by its shape. Kept free of
 * Fastify and Node types, because browsers load it through fastify-realtime/api.
 */

/** The part of Standard Schema (Zod, Valibot, ArkType, ...) that carries types. */
interface StandardSchema<Input, Output> {
  readonly '~standard': { readonly types?: { readonly input: Input, readonly output: Output } | undefined }
}

/** TypeBox 0.34 computes the type itself; `params` is how it takes the arguments of a recursive type. */
interface ClassicTypeBox {
  params: unknown[]
  static: unknown
}

/**
 * The type of the content a schema lets through: Standard Schema's output, TypeBox's static type, or what a JSON Schema
 * literal describes (`as const`, or written inside `defineRooms`). `unknown` for anything else.
 */
export type Infer<Schema> =
  Schema extends StandardSchema<unknown, infer Output> ? Output
    : Schema extends ClassicTypeBox ? (Schema & { params: [] })['static']
      : FromJsonSchema<Schema, SchemaDefinitions<Schema>>

/** The same before validation: what may be sent, where defaults and conversions make that differ. */
export type InferInput<Schema> =
  Schema extends StandardSchema<infer Input, unknown> ? Input : Infer<Schema>

/** Where the references of a schema lead: `$defs`, which TypeBox 1 uses for its cyclic types too. */
type SchemaDefinitions<Schema> = Schema extends { readonly $defs: infer Definitions } ? Definitions : unknown

/** JSON Schema by its keywords, and with them TypeBox 1, whose types are JSON Schema with a few marks (`~kind`, `~optional`). */
export type FromJsonSchema<Schema, Definitions> =
  Schema extends { readonly const: infer Value } ? Value
    : Schema extends { readonly enum: infer Values extends readonly unknown[] } ? Values[number]
      : Schema extends { readonly anyOf: infer Members extends readonly unknown[] } ? FromJsonSchema<Members[number], Definitions>
        : Schema extends { readonly oneOf: infer Members extends readonly unknown[] } ? FromJsonSchema<Members[number], Definitions>
          : Schema extends { readonly allOf: infer Members extends readonly unknown[] } ? AllOf<Members, Definitions>
            : Schema extends { readonly $ref: infer Reference } ? Referenced<Reference, Definitions>
              : Schema extends { readonly '~unsafe': infer Type } ? Type
                : Schema extends { readonly type: infer Type } ? Typed<Type, Schema, Definitions>
                  : Schema extends { readonly '~kind': 'Never' } ? never
                    : Schema extends { readonly properties: unknown } ? FromObject<Schema, Definitions>
                      : unknown

type AllOf<Members extends readonly unknown[], Definitions, Result = unknown> =
  Members extends readonly [infer First, ...infer Rest]
    ? AllOf<Rest, Definitions, Result & FromJsonSchema<First, Definitions>>
    : Result

type Referenced<Reference, Definitions> =
  Reference extends keyof Definitions ? FromJsonSchema<Definitions[Reference], Definitions>
    : Reference extends `#/$defs/${infer Name extends keyof Definitions & string}` ? FromJsonSchema<Definitions[Name], Definitions>
      : unknown

/** By the keyword `type`; `['string', 'null']` is the union of its members. */
type Typed<Type, Schema, Definitions> =
  Type extends readonly (infer Member)[] ? Typed<Member, Schema, Definitions>
    : Type extends 'object' ? FromObject<Schema, Definitions> | Nullable<Schema>
      : Type extends 'array' ? FromArray<Schema, Definitions> | Nullable<Schema>
        : Type extends keyof Primitives ? Primitives[Type] | Nullable<Schema>
          : unknown

/** Ajv's `nullable`, on in Fastify. */
type Nullable<Schema> = Schema extends { readonly nullable: true } ? null : never

interface Primitives {
  string: string
  number: number
  integer: number
  boolean: boolean
  null: null
  undefined: undefined
  void: void
  bigint: bigint
}

type FromObject<Schema, Definitions> =
  Schema extends { readonly properties: infer Properties }
    ? Flat<
        { -readonly [Key in RequiredKeys<Schema, Properties>]: FromJsonSchema<Properties[Key], Definitions> } &
        { -readonly [Key in Exclude<keyof Properties, RequiredKeys<Schema, Properties>>]?: FromJsonSchema<Properties[Key], Definitions> }
      > & UnlistedRequired<Schema, Properties>
    : Schema extends { readonly patternProperties: infer Patterns }
      ? { [key: string]: FromJsonSchema<Patterns[keyof Patterns], Definitions> }
      : Schema extends { readonly additionalProperties: infer Additional }
        ? Additional extends false ? Record<string, never>
          : Additional extends object ? { [key: string]: FromJsonSchema<Additional, Definitions> }
            : { [key: string]: unknown }
        : { [key: string]: unknown }

/** TypeBox 1 marks what is optional; JSON Schema names what is required. */
type RequiredKeys<Schema, Properties> =
  Schema extends { readonly '~kind': 'Object' }
    ? { [Key in keyof Properties]: Properties[Key] extends { '~optional': true } ? never : Key }[keyof Properties]
    : Schema extends { readonly required: readonly (infer Name)[] } ? Extract<keyof Properties, Name> : never

/** A name may be required without being described. */
type UnlistedRequired<Schema, Properties> =
  Schema extends { readonly '~kind': 'Object' } ? unknown
    : Schema extends { readonly required: readonly (infer Name extends string)[] }
      ? [Exclude<Name, keyof Properties>] extends [never] ? unknown : { [Key in Exclude<Name, keyof Properties>]: unknown }
      : unknown

type FromArray<Schema, Definitions> =
  Schema extends { readonly prefixItems: infer Items extends readonly unknown[] } ? FromTuple<Items, Schema, Definitions>
    : Schema extends { readonly items: infer Items }
      ? Items extends readonly unknown[] ? FromTuple<Items, Schema, Definitions> : FromJsonSchema<Items, Definitions>[]
      : unknown[]

type FromTuple<Items extends readonly unknown[], Schema, Definitions> =
  { -readonly [Index in keyof Items]: FromJsonSchema<Items[Index], Definitions> } extends infer Tuple extends readonly unknown[]
    ? Schema extends { readonly additionalItems: false } | { readonly items: false } ? Tuple : [...Tuple, ...unknown[]]
    : never

/** One object literal instead of an intersection, so that editors and declarations show it plainly. */
type Flat<Type> = { [Key in keyof Type]: Type[Key] } & {}
