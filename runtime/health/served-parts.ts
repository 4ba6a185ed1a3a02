/** The components of a role for /readyz: its thread, and each of its parts. */
import { visibleText } from '#core/visible-text.ts'
import type { ServedPart } from '#serving/http/site/health-routes.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import { PART_STATES, type PartStatus } from '../roles/role-messages.ts'
import type { RoleState } from '../roles/role-supervisor.ts'
import { masked } from '../settings/secrets.ts'

export function servedParts({ name, state, restarts, fault, parts }: RoleState): ServedPart[] {
  const running = state === 'running'
  const thread = {
    name: `${name} role`,
    ready: running,
    state,
    detail: textOf([restarts > 0 ? `${restarts} restarts` : null, fault]),
  }
  return [thread, ...parts.map((part) => servedPart(part, running))]
}

/** What everyone may see: clients of /readyz need no key. */
export function forEveryone(part: ServedPart, secrets: readonly string[]): ServedPart {
  return { ...part, detail: visibleText(withoutPaths(masked(part.detail, secrets))) }
}

/** Parts of a thread that is not running are not ready, whatever state they last reported. */
function servedPart(part: PartStatus, running: boolean): ServedPart {
  const { name, state, fault, numbers, isOutside = false } = part
  const counted = Object.entries(numbers).map(([number, value]) => (value === null ? null : `${number} ${value}`))
  return { name, ready: running && (isOutside || PART_STATES[state].ready), state, detail: textOf([fault, ...counted]) }
}

function textOf(texts: readonly (string | null)[]): string {
  return texts.filter((text) => text !== null && text !== '').join(', ')
}
