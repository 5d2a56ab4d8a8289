/**
 * A schema the application's validator compiler understands: JSON Schema, TypeBox, Zod or any Standard Schema.
 * Which of them it is shows in {@link Infer}; the declaration itself must not constrain it.
 */
export type AnySchema = object
