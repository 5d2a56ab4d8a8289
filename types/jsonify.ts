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
                : Value extends object
                  ? { [Key in keyof Value as JsonKey<Key, Value[Key]>]: JsonProperty<Value[Key]> }
                  : never

/** In an array, what JSON does not know becomes null. */
type JsonElement<Value> = unknown extends Value ? Value : undefined extends Jsonify<Value> ? Exclude<Jsonify<Value>, undefined> | null : Jsonify<Value>

/** A property that JSON leaves out has no key; one that may be left out stays optional through its modifier. */
type JsonKey<Key, Value> =
  Key extends symbol ? never
    : unknown extends Value ? Key
      : [Exclude<Value, undefined | symbol | ((...args: never[]) => unknown)>] extends [never] ? never : Key

type JsonProperty<Value> = Jsonify<Value>
