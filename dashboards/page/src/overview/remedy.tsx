/** What to do about a hop that needs something, one click away: do it here where that is possible, else copy the command. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { send } from '../api.ts'
import { askAllNow } from '../live.ts'
import { session } from '../session/session.ts'
import type { Health, Hop } from './health.ts'

interface Action {
  readonly label: string
  readonly path: string
  readonly body?: unknown
  readonly done: string
}

export function Remedy({ hop, health }: { hop: Hop; health: Health }): JSX.Element | null {
  const [said, say] = useState('')
  if (hop.advice === null) return null
  const action = mayOperate() ? actionOf(hop, health) : null
  const command = /`([^`]+)`/.exec(hop.advice)?.[1]
  const act = (work: Promise<unknown>, done: string): void => {
    say('…')
    void work.then(
      () => say(done),
      (error: unknown) => say((error as Error).message),
    )
  }
  return (
    <div class="remedy">
      <p class="advice">{hop.advice.replaceAll('`', '')}</p>
      {action !== null && (
        <button
          type="button"
          class="button"
          onClick={() => act(send('POST', action.path, action.body).then(askAllNow), action.done)}
        >
          {action.label}
        </button>
      )}
      {command !== undefined && (
        <button
          type="button"
          class="button"
          title={`./${command}`}
          onClick={() => act(navigator.clipboard.writeText(`./${command}`), 'Copied')}
        >
          Copy the command
        </button>
      )}
      {hop.hop === 'lake' && (health.deadLetters.total ?? 0) > 0 && (
        <a class="button" href={`#${lettersId(health.dataset)}`} onClick={() => openLetters(health.dataset)}>
          Show the reasons
        </a>
      )}
      <span role="status" class="hint">
        {said}
      </span>
    </div>
  )
}

export function lettersId(dataset: string): string {
  return `letters-${dataset}`
}

function openLetters(dataset: string): void {
  const letters = document.getElementById(lettersId(dataset))
  if (letters instanceof HTMLDetailsElement) letters.open = true
}

/** API keys cannot. */
function mayOperate(): boolean {
  const now = session.value
  return now !== null && (!now.keyRequired || now.signedInAs === 'admin')
}

function actionOf({ hop }: Hop, { dataset, sources, run }: Health): Action | null {
  const path = `/v1/datasets/${encodeURIComponent(dataset)}`
  const job = (label: string, body: unknown): Action => ({ label, path: `${path}/jobs`, body, done: 'It is started' })
  if (hop === 'generation' && run === null) return job('Run a batch now', { kind: 'batch' })
  if (hop === 'verification') return job('Verify now', { kind: 'verify' })
  const paused = sources.find(({ state }) => state === 'paused')
  if (hop !== 'sources' || paused === undefined) return null
  const name = encodeURIComponent(paused.source)
  return { label: `Resume ${paused.source}`, path: `${path}/sources/${name}/resume`, done: 'It is resumed' }
}
