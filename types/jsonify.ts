/**
 * What JSON leaves of a value, and so what the other side receives: a `Date` arrives as a string, a `Map` as an empty object,
 * functions and symbols not at all.
 */
export type Jsonify<Value> =
  unknown extends Value ? Value
    : Value extends { toJSON (...args: never[]): infer Json } ? Jsonify<Json>
      : Value extends string | number | boolean | null ? Value
        : Value extends bigint ? never
          : Value extends undefined | symbol | ((...args: never[]) => unknown) ? undefined
            : Value extends readonly unknown[] ? { -readonly [Index in keyof Value]: JsonElement<Value[Index]> }
              : Value extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> ? Record<string, never>
                : Value extends object ? JsonObject<Value> : never

/** What JSON has no word for. */
type Unspeakable = undefined | symbol | ((...args: never[]) => unknown)

/** In an array it becomes null. */
type JsonElement<Value> =
  unknown extends Value ? Value : Jsonify<Exclude<Value, Unspeakable>> | ([Extract<Value, Unspeakable>] extends [never] ? never : null)

/** In an object it is left out. */
type JsonObject<Value> = Flat<
  { [Key in keyof Value as Presence<Key, Value[Key]> extends 'always' ? Key : never]: Jsonify<Value[Key]> } &
  { [Key in keyof Value as Presence<Key, Value[Key]> extends 'maybe' ? Key : never]?: Jsonify<Exclude<Value[Key], Unspeakable>> }
>

type Presence<Key, Value> =
  Key extends symbol ? 'never'
    : unknown extends Value ? 'always'
      : [Exclude<Value, Unspeakable>] extends [never] ? 'never'
          : [Extract<Value, Unspeakable>] extends [never] ? 'always' : 'maybe'

type Flat<Type> = { [Key in keyof Type]: Type[Key] } & {}
