/** Who uses the page, where the server has keys. The key itself is never kept: the server sets a cookie that scripts cannot read. */
import { signal } from '@preact/signals'
import { get, send } from '../api.ts'
import { askAllNow, connection } from '../live.ts'

export interface Session {
  readonly keyRequired: boolean
  readonly signedInAs: 'api' | 'admin' | null
  readonly until: string | null
}

const PATH = '/v1/session'

/** null: not known yet */
export const session = signal<Session | null>(null)

export async function lookAtSession(): Promise<void> {
  session.value = (await get<Session>(PATH)).value
}

/** @throws RefusedError, UnreachableError */
export async function signIn(key: string): Promise<void> {
  session.value = await send<Session>('POST', PATH, { key })
  connection.value = 'connecting'
  askAllNow()
}

export async function signOut(): Promise<void> {
  session.value = await send<Session>('DELETE', PATH)
  // Nothing that needed the key stays on the screen, or in the memory of this tab.
  location.assign('/')
}
