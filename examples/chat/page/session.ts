/* Who signed in, in this tab: two tabs can be two people. */

const NAME = 'chat:name'

export const tokenKey = (name: string): string => `chat:token:${name}`

/** Signing in did not work. */
export class SignInError extends Error {
  /** @param final - the same name will not do later either */
  constructor (message: string, readonly final: boolean) {
    super(message)
  }
}

/** Gets a token, and keeps it over reloads. */
export async function signIn (name: string): Promise<string> {
  const response = await fetch('/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
    signal: AbortSignal.timeout(10_000)
  }).catch(() => { throw new SignInError('No answer. Try again in a moment.', false) })
  if (response.status === 400) throw new SignInError('Take a name of up to 24 letters and digits.', true)
  if (!response.ok) throw new SignInError('Could not sign in. Try again in a moment.', false)
  const { token } = await response.json() as { token: string }
  sessionStorage.setItem(tokenKey(name), token)
  return token
}

export function signedInAs (): string | null {
  return sessionStorage.getItem(NAME)
}

/** For the next visit, too. */
export function remember (name: string): void {
  sessionStorage.setItem(NAME, name)
  localStorage.setItem(NAME, name)
}

export function lastName (): string {
  return localStorage.getItem(NAME) ?? ''
}

export function signOut (): void {
  sessionStorage.clear()
}
