/** The application: navigation, the page that the address names, and the state of the connection. */
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { datasetName, datasetPath } from './address.ts'
import { DatasetPage } from './dataset-page.tsx'
import { type Dataset, labelOf } from './definition.ts'
import { Link } from './link.tsx'
import { connection, type Fault, paused, useLive } from './live.ts'
import { Overview } from './overview/overview.tsx'
import { FaultNote, Loading } from './panels/states.tsx'
import { lookAtSession } from './session/session.ts'
import { SignIn } from './session/sign-in.tsx'
import { SignOut } from './session/sign-out.tsx'
import { switchTheme, theme } from './theme.ts'
import { Tip } from './tip.tsx'

const DEFINITIONS = { path: '/v1/datasets' } as const
/** a definition changes when the server is restarted */
const DEFINITIONS_EVERY_MS = 30_000

export function App(): JSX.Element {
  const { value, fault } = useLive<{ datasets: readonly Dataset[] }, typeof DEFINITIONS>(
    DEFINITIONS,
    DEFINITIONS_EVERY_MS,
  )
  const datasets = value?.datasets ?? []
  const name = datasetName.value
  const dataset = datasets.find((one) => one.name === name)
  const title = dataset === undefined ? 'Watershed' : `${labelOf(dataset)} · Watershed`
  useEffect(() => {
    document.title = title
  }, [title])
  useEffect(() => void lookAtSession().catch(() => undefined), [])
  const signedOut = connection.value === 'signed-out'
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <TopBar datasets={datasets} now={name} />
      <main id="content" tabIndex={-1}>
        {signedOut ? <SignIn /> : <Content name={name} datasets={value?.datasets ?? null} fault={fault} />}
      </main>
      <Tip />
    </>
  )
}

interface ContentProps {
  readonly name: string | null
  /** null: not known yet */
  readonly datasets: readonly Dataset[] | null
  readonly fault: Fault | null
}

function Content({ name, datasets, fault }: ContentProps): JSX.Element {
  if (datasets === null) return fault === null ? <Loading /> : <FaultNote fault={fault} earlier={false} />
  if (name === null) return <Overview datasets={datasets} />
  const dataset = datasets.find((one) => one.name === name)
  return dataset === undefined ? <Unknown name={name} /> : <DatasetPage key={name} dataset={dataset} />
}

function TopBar({ datasets, now }: { datasets: readonly Dataset[]; now: string | null }): JSX.Element {
  return (
    <header class="top">
      <Link to="/" class="brand" current={now === null}>
        <img src="/page/icon.svg" alt="" width="26" height="26" />
        Watershed
      </Link>
      <nav aria-label="Datasets">
        <ul>
          {datasets.map((dataset) => (
            <li key={dataset.name}>
              <Link to={datasetPath(dataset.name)} current={now === dataset.name}>
                {labelOf(dataset)}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div class="tools">
        <Connection />
        <SignOut />
        <button
          type="button"
          class="icon"
          aria-label={theme.value === 'dark' ? 'Light colours' : 'Dark colours'}
          title={theme.value === 'dark' ? 'Light colours' : 'Dark colours'}
          onClick={switchTheme}
        >
          {theme.value === 'dark' ? '☀' : '☾'}
        </button>
      </div>
    </header>
  )
}

const CONNECTION_TEXT = {
  connecting: 'connecting',
  up: 'live',
  unreachable: 'no connection',
  'signed-out': 'signed out',
} as const

function Connection(): JSX.Element {
  const state = connection.value
  const text = paused.value && state === 'up' ? 'held' : CONNECTION_TEXT[state]
  const tone = { connecting: 'note', up: paused.value ? 'note' : 'good', unreachable: 'bad', 'signed-out': 'bad' }[
    state
  ]
  return (
    <button
      type="button"
      class={`tag connection tone-${tone}`}
      aria-pressed={paused.value}
      title={paused.value ? 'Follow new events again' : 'Hold the page still'}
      onClick={() => {
        paused.value = !paused.value
      }}
    >
      <span class="dot" aria-hidden="true" />
      <span role="status">{text}</span>
    </button>
  )
}

function Unknown({ name }: { name: string }): JSX.Element {
  return (
    <div class="state">
      <strong>Dataset '{name}' not found</strong>
      <p>It may have been removed from the configuration, or the address has a typing error.</p>
      <Link to="/">Show all datasets</Link>
    </div>
  )
}
