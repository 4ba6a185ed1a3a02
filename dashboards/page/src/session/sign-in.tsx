/** Asks for a key where the server has keys, in the place of what it protects. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { signIn } from './session.ts'

export function SignIn(): JSX.Element {
  const input = useRef<HTMLInputElement>(null)
  const [why, tell] = useState<string | null>(null)
  const [waiting, wait] = useState(false)
  useEffect(() => input.current?.focus(), [])
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    const key = input.current!.value.trim()
    if (key === '') return tell('Enter a key.')
    wait(true)
    try {
      await signIn(key)
    } catch (error) {
      tell((error as Error).message)
      wait(false)
      input.current?.select()
    }
  }
  return (
    <form class="panel sign-in" onSubmit={submit} aria-labelledby="sign-in">
      <h1 id="sign-in">Sign in</h1>
      <p class="hint">
        This server shows its numbers to those who have a key. An API key reads and sends events; the admin key also
        operates. It is one of <code>keys</code> in the configuration, or <code>WATERSHED_KEYS</code>.
      </p>
      <label for="key">Key</label>
      <input
        ref={input}
        id="key"
        type="password"
        autoComplete="current-password"
        spellcheck={false}
        maxLength={1024}
        aria-invalid={why !== null}
        aria-describedby="key-fault"
      />
      <p id="key-fault" class="sign-in-fault" role="alert">
        {why}
      </p>
      <button type="submit" class="button primary" disabled={waiting}>
        {waiting ? 'Signing in …' : 'Sign in'}
      </button>
    </form>
  )
}
