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

/*
 * From here on keywords are looked up, never matched with `Schema extends { type: ... }`: TypeScript 5.9 checks a schema written
 * in place for excess properties even there, and would not recognise any that has more than one keyword.
 */

type At<Schema, Keyword> = Schema[Keyword & keyof Schema]

/** Where the references of a schema lead: `$defs`, which TypeBox 1 uses for its cyclic types too. */
type SchemaDefinitions<Schema> = '$defs' extends keyof Schema ? At<Schema, '$defs'> : unknown

/** JSON Schema by its keywords, and with them TypeBox 1, whose types are JSON Schema with a few marks (`~kind`, `~optional`). */
export type FromJsonSchema<Schema, Definitions> =
  'type' extends keyof Schema
    ? 'const' extends keyof Schema ? At<Schema, 'const'>
      : 'enum' extends keyof Schema ? MemberOf<At<Schema, 'enum'>>
        : 'anyOf' extends keyof Schema ? FromAny<At<Schema, 'anyOf'>, Definitions>
          : 'oneOf' extends keyof Schema ? FromAny<At<Schema, 'oneOf'>, Definitions>
            : FromType<At<Schema, 'type'>, Schema, Definitions>
    : FromOther<Schema, Definitions>

/** A schema without the keyword `type`. */
type FromOther<Schema, Definitions> =
  'const' extends keyof Schema ? At<Schema, 'const'>
    : 'enum' extends keyof Schema ? MemberOf<At<Schema, 'enum'>>
      : 'anyOf' extends keyof Schema ? FromAny<At<Schema, 'anyOf'>, Definitions>
        : 'oneOf' extends keyof Schema ? FromAny<At<Schema, 'oneOf'>, Definitions>
          : 'allOf' extends keyof Schema ? FromAll<At<Schema, 'allOf'>, Definitions>
            : '$ref' extends keyof Schema ? FromReference<At<Schema, '$ref'>, Definitions>
              : '~unsafe' extends keyof Schema ? At<Schema, '~unsafe'>
                : 'properties' extends keyof Schema ? FromObject<Schema, Definitions>
                  : At<Schema, '~kind'> extends 'Never' ? '~kind' extends keyof Schema ? never : unknown : unknown

type MemberOf<List> = List extends readonly (infer Member)[] ? Member : unknown

type FromAny<Members, Definitions> = FromEach<MemberOf<Members>, Definitions>

type FromEach<Member, Definitions> = Member extends unknown ? FromJsonSchema<Member, Definitions> : never

type FromAll<Members, Definitions, Result = unknown> =
  Members extends readonly [infer First, ...infer Rest]
    ? FromAll<Rest, Definitions, Result & FromJsonSchema<First, Definitions>>
    : Result

type FromReference<Reference, Definitions> =
  Reference extends keyof Definitions ? FromJsonSchema<Definitions[Reference], Definitions>
    : Reference extends `#/$defs/${infer Name extends keyof Definitions & string}` ? FromJsonSchema<Definitions[Name], Definitions>
      : unknown

/** By the keyword `type`; `['string', 'null']` is the union of its members. */
type FromType<Type, Schema, Definitions> =
  Type extends keyof Primitives ? Primitives[Type] | Nullable<Schema>
    : Type extends 'object' ? FromObject<Schema, Definitions> | Nullable<Schema>
      : Type extends 'array' ? FromArray<Schema, Definitions> | Nullable<Schema>
        : Type extends readonly (infer Member)[] ? FromType<Member, Schema, Definitions>
          : unknown

/** Ajv's `nullable`, on in Fastify. */
type Nullable<Schema> = 'nullable' extends keyof Schema ? At<Schema, 'nullable'> extends true ? null : never : never

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
  'properties' extends keyof Schema
    ? '~kind' extends keyof Schema
      ? FromProperties<At<Schema, 'properties'>, MarkedRequired<At<Schema, 'properties'>>, Definitions>
      : 'required' extends keyof Schema
        ? FromProperties<At<Schema, 'properties'>, MemberOf<At<Schema, 'required'>>, Definitions>
        : FromProperties<At<Schema, 'properties'>, never, Definitions>
    : 'patternProperties' extends keyof Schema
      ? { [key: string]: FromEach<ValueOf<At<Schema, 'patternProperties'>>, Definitions> }
      : 'additionalProperties' extends keyof Schema ? FromAdditional<At<Schema, 'additionalProperties'>, Definitions>
        : { [key: string]: unknown }

type ValueOf<Map> = Map[keyof Map]

type FromAdditional<Additional, Definitions> =
  Additional extends false ? Record<string, never>
    : Additional extends object ? { [key: string]: FromJsonSchema<Additional, Definitions> }
      : { [key: string]: unknown }

/** One literal instead of an intersection, so that editors and declarations show it plainly. A name may be required without being described. */
type FromProperties<Properties, Required, Definitions> = Flat<
  { -readonly [Key in keyof Properties as Key extends Required ? Key : never]: FromJsonSchema<Properties[Key], Definitions> } &
  { -readonly [Key in keyof Properties as Key extends Required ? never : Key]?: FromJsonSchema<Properties[Key], Definitions> } &
  { [Key in Exclude<Required, keyof Properties> & string]: unknown }
>

type Flat<Type> = { [Key in keyof Type]: Type[Key] } & {}

/** TypeBox 1 marks what is optional, where JSON Schema names what is required. */
type MarkedRequired<Properties> =
  { [Key in keyof Properties]: '~optional' extends keyof Properties[Key] ? never : Key }[keyof Properties]

type FromArray<Schema, Definitions> =
  'prefixItems' extends keyof Schema ? FromTuple<At<Schema, 'prefixItems'>, At<Schema, 'items'>, Definitions>
    : 'items' extends keyof Schema
      ? At<Schema, 'items'> extends readonly unknown[]
        ? FromTuple<At<Schema, 'items'>, At<Schema, 'additionalItems'>, Definitions>
        : FromJsonSchema<At<Schema, 'items'>, Definitions>[]
      : unknown[]

/** `More` is false where a tuple is closed. */
type FromTuple<Items, More, Definitions> =
  { -readonly [Index in keyof Items]: FromJsonSchema<Items[Index], Definitions> } extends infer Tuple extends readonly unknown[]
    ? [More] extends [false] ? Tuple : [...Tuple, ...unknown[]]
    : never
