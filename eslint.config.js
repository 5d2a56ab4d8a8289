import neostandard, { plugins } from 'neostandard'

const EMPTY = ':matches(ArrayExpression[elements.length=0], ObjectExpression[properties.length=0])'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', '.tap/**', 'coverage/**', 'test/types/consumers/**/dist/**'] }),
  {
    files: ['lib/**/*.ts', 'types/**/*.ts', 'test/**/*.{ts,tsx}', 'examples/**/*.{ts,tsx}'],
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname }
    },
    rules: {
      // The mark of a promise that is left alone on purpose, which no-floating-promises asks for.
      'no-void': ['error', { allowAsStatement: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }]
    }
  },
  {
    files: ['lib/**/*.ts'],
    rules: { 'no-console': 'error' }
  },
  {
    // In a pattern, an empty array or object fits every other one, whatever it holds.
    files: ['test/**/*.{ts,tsx}'],
    rules: {
      'no-restricted-syntax': ['error', ...[`${EMPTY}:nth-child(2)`, `:matches(ArrayExpression, ObjectExpression):nth-child(2) ${EMPTY}`].map((pattern) => ({
        selector: `CallExpression[callee.property.name=/^(match|notMatch)$/] > ${pattern}`,
        message: 'This asserts nothing: use { length: 0 }, Object, or t.same.'
      }))]
    }
  }
]
