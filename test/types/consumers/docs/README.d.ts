// What the blocks of README.md take for granted, unless they declare it themselves.
export {}

declare global {
  function getToken (): Promise<string>
}
