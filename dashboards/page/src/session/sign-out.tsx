/** Who is signed in, and the way out. */
import type { JSX } from 'preact'
import { session, signOut } from './session.ts'

const NAMES = { api: 'API key', admin: 'admin key' } as const

export function SignOut(): JSX.Element | null {
  const now = session.value
  if (now === null || now.signedInAs === null || now.until === null) return null
  const until = new Date(now.until).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
  const name = NAMES[now.signedInAs]
  return (
    <button
      type="button"
      class="button"
      title={`Signed in with ${name === 'API key' ? 'an API key' : 'the admin key'} until ${until}`}
      onClick={() => void signOut()}
    >
      Sign out
    </button>
  )
}
