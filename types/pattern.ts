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

type FirstSegment<Name extends string> = Name extends `${infer Segment}:${string}` ? Segment : Name

/** All first segments that are placeholders share one entry of the index. */
type IndexKey<Pattern extends string> = FirstSegment<Pattern> extends infer Segment extends string
  ? Segment extends `{${string}}` ? '{}' : Segment
  : never

/**
 * Patterns by first segment. Comparing every room id with every pattern would double the work of the checker; through this each id
 * meets only those that can match.
 */
export type PatternIndex<Rooms> = { [Pattern in keyof Rooms & string as IndexKey<Pattern>]: Pattern }

/** The pattern whose policy applies to a room id (a literal, a template or a union of them), or `never`. */
export type MatchPattern<Id extends string, Index> =
  Id extends unknown ? MostSpecific<Matching<Id, Lookup<Index, FirstSegment<Id>> | Lookup<Index, '{}'>>> : never

type Lookup<Index, Key> = Key extends keyof Index ? Index[Key] : never

type Matching<Id extends string, Pattern> =
  Pattern extends string ? Matches<Id, Pattern> extends true ? Pattern : never : never

/** Segment by segment, since a placeholder never crosses a colon. */
type Matches<Id extends string, Pattern extends string> =
  Pattern extends `${infer Segment}:${infer Rest}`
    ? Id extends `${infer IdSegment}:${infer IdRest}`
      ? MatchesSegment<IdSegment, Segment> extends true ? Matches<IdRest, Rest> : false
      : false
    : Pattern extends `{${string}*}` ? NotEmpty<Id>
      : Id extends `${string}:${string}` ? false : MatchesSegment<Id, Pattern>

type MatchesSegment<IdSegment extends string, Segment extends string> =
  Segment extends `{${string}}` ? NotEmpty<IdSegment> : IdSegment extends Segment ? true : false

type NotEmpty<Text extends string> = Text extends '' ? false : true

/** Of several patterns, the one that the policy lookup would take: a name beats `{id}`, `{id}` beats `{rest*}`, from the left. */
type MostSpecific<Patterns> =
  [Patterns] extends [never] ? never
    : IsUnion<Patterns> extends false ? Patterns
      : Narrow<Patterns extends string ? [Patterns, Patterns] : never>

/** Candidates are [remaining segments, whole pattern]; each round keeps the best kind of segment. */
type Narrow<Candidates extends [string, string]> =
  IsUnion<Candidates> extends false ? Candidates[1]
    : Best<Candidates> extends infer Kept extends [string, string]
      ? Advance<Kept> extends infer Next extends [string, string]
        ? [Next] extends [never] ? Kept[1] : Narrow<Next>
        : never
      : never

type Best<Candidates extends [string, string]> =
  [OfKind<Candidates, 'name'>] extends [never]
    ? [OfKind<Candidates, 'one'>] extends [never] ? Candidates : OfKind<Candidates, 'one'>
    : OfKind<Candidates, 'name'>

type OfKind<Candidates extends [string, string], Kind> =
  Candidates extends [infer Remaining extends string, string]
    ? SegmentKind<FirstSegment<Remaining>> extends Kind ? Candidates : never
    : never

type SegmentKind<Segment extends string> =
  Segment extends `{${string}*}` ? 'rest' : Segment extends `{${string}}` ? 'one' : 'name'

type Advance<Candidates extends [string, string]> =
  Candidates extends [`${string}:${infer Rest}`, infer Pattern extends string] ? [Rest, Pattern] : never

type IsUnion<Type, Member = Type> = Type extends unknown ? [Member] extends [Type] ? false : true : never
