/** Views that people saved on the server: names for what the address holds. */
import { chosen, parameters, replaceParameters } from '../address.ts'
import { send } from '../api.ts'
import { askAgain } from '../live.ts'

export interface SavedView {
  readonly id: string
  readonly name: string
  readonly parameters: string
  readonly savedAt: string
  readonly link: string
}

/** the parameter that names the view that is open */
const OPEN = 'saved'

export function savedViewsPath(dataset: string): { readonly path: string } {
  return { path: `/v1/datasets/${encodeURIComponent(dataset)}/saved-views` }
}

export function openId(): string | null {
  return chosen(OPEN)
}

/** What is looked at now, as it is saved. */
export function lookedAt(): string {
  const now = new URLSearchParams(parameters.value)
  now.delete(OPEN)
  return now.toString()
}

/** A link names a view only: what it holds becomes the address. */
export function show({ id, parameters: saved }: SavedView): void {
  const next = new URLSearchParams(saved)
  next.set(OPEN, id)
  replaceParameters(next)
}

/** @throws RefusedError, UnreachableError */
export async function save(dataset: string, name: string): Promise<void> {
  const { path } = savedViewsPath(dataset)
  const view = await send<SavedView>('POST', path, { name, parameters: lookedAt() })
  show(view)
  askAgain(path)
}

/** @throws RefusedError, UnreachableError */
export async function change(
  dataset: string,
  id: string,
  changes: Partial<Pick<SavedView, 'name' | 'parameters'>>,
): Promise<void> {
  const { path } = savedViewsPath(dataset)
  await send('PUT', `${path}/${id}`, changes)
  askAgain(path)
}

/** @throws RefusedError, UnreachableError */
export async function remove(dataset: string, id: string): Promise<void> {
  const { path } = savedViewsPath(dataset)
  await send('DELETE', `${path}/${id}`)
  askAgain(path)
}
