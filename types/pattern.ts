/** The names of a pattern's placeholders. */
type ParamNames<Pattern extends string> =
  Pattern extends `${infer Segment}:${infer Rest}` ? ParamName<Segment> | ParamNames<Rest> : ParamName<Pattern>

type ParamName<Segment extends string> =
  Segment extends `{${infer Name}*}` ? Name : Segment extends `{${infer Name}}` ? Name : never

/**
 * What the placeholders of a pattern stand for: `{ id: string }` for `chat:{id}`. `{id}` is one segment, `{rest*}` (last only)
 * the remainder, `:` included.
 */
export type RoomParams<Pattern> =
  Pattern extends string
    ? string extends Pattern ? Readonly<Record<string, string>> : { readonly [Name in ParamNames<Pattern>]: string }
    : never

/*
 * Which pattern a room id belongs to. Comparing every id with every pattern would multiply the checker's work by the number of
 * rooms, so an id is turned into the few shapes its pattern can have (`chat:1` into `chat:1`, `chat:{}`, `chat:{*}`, `{}:1`, ...), and
 * those are looked up. Whatever depends on the rooms alone stands in a conditional type, because the checker remembers those.
 */

/** A pattern without the names of its placeholders. Patterns that differ in nothing else are ambiguous anyway. */
type Shape<Pattern extends string> =
  Pattern extends `${infer Segment}:${infer Rest}` ? `${SegmentShape<Segment>}:${Shape<Rest>}` : SegmentShape<Pattern>

type SegmentShape<Segment extends string> =
  Segment extends `{${string}*}` ? '{*}' : Segment extends `{${string}}` ? '{}' : Segment

/** The shapes of all patterns. */
type Shapes<Rooms> = Rooms extends unknown ? Shape<keyof Rooms & string> : never

/** How a shape can begin: every prefix that ends with a colon, so that the search stops early. */
type Beginnings<Rooms> = Rooms extends unknown ? Beginning<Shapes<Rooms>> : never

type Beginning<Pattern extends string> =
  Pattern extends `${infer Segment}:${infer Rest}` ? `${Segment}:` | `${Segment}:${Beginning<Rest>}` : never

type ByShape<Rooms> = { [Pattern in keyof Rooms & string as Shape<Pattern>]: Pattern }

/**
 * The pattern whose policy applies to a room id (a literal, a template or a union of them), or `never`. As at run time, a name
 * comes before `{id}`, `{id}` before `{rest*}`, and a placeholder never crosses a colon.
 */
export type MatchPattern<Id extends string, Rooms> =
  Id extends unknown ? OfShape<Rooms, Find<Id, '', Shapes<Rooms>, Beginnings<Rooms>>> : never

type OfShape<Rooms, Found extends string> =
  [Found] extends [never] ? never : ByShape<Rooms> extends { [Key in Found]: infer Pattern } ? Pattern : never

type Find<Id extends string, Path extends string, Known, Begun> =
  Id extends `${infer Segment}:${infer Rest}`
    ? Segment extends '' ? never
      : First<
        FindBelow<Rest, `${Path}${Segment}:`, Known, Begun>,
        FindBelow<Rest, `${Path}{}:`, Known, Begun>,
        OneOf<`${Path}{*}`, Known>
      >
    : Id extends '' ? never
      : First<OneOf<`${Path}${Id}`, Known>, OneOf<`${Path}{}`, Known>, OneOf<`${Path}{*}`, Known>>

type FindBelow<Rest extends string, Path extends string, Known, Begun> =
  Path extends Begun ? Find<Rest, Path, Known, Begun> : never

type OneOf<Path, Known> = Path extends Known ? Path : never

type First<One, Two, Three> = [One] extends [never] ? [Two] extends [never] ? Three : Two : One
