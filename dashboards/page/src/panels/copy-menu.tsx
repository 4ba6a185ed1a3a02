/** The question of a panel, for other programs: as curl, TypeScript or Python, and its answer in every format. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'

type Language = 'curl' | 'TypeScript' | 'Python' | 'address'

const url = (path: string): string => `${location.origin}${path}`

const TEXTS: Readonly<Record<Language, (path: string) => string>> = {
  curl: (path) => `curl -s '${url(path).replaceAll("'", '%27')}'`,
  TypeScript: (path) =>
    `const response = await fetch(${JSON.stringify(url(path))})\nif (!response.ok) throw new Error(await response.text())\nconst { data, meta } = await response.json()`,
  Python: (path) =>
    `import json, urllib.request\n\nwith urllib.request.urlopen(${JSON.stringify(url(path))}) as response:\n    answer = json.load(response)\nrows, meta = answer["data"], answer["meta"]`,
  address: url,
}

const FORMATS = {
  csv: 'CSV',
  xlsx: 'XLSX',
  json: 'JSON',
  ndjson: 'NDJSON',
  arrow: 'Arrow',
  parquet: 'Parquet',
} as const

/** The address of the same answer in a format. @param all every row, and not only as many as are shown */
export function exportPath(path: string, format: string, all: boolean): string {
  const [route, query] = path.split('?')
  const parameters = new URLSearchParams(query)
  parameters.delete('cursor')
  if (all) parameters.set('limit', 'all')
  const text = parameters.toString()
  return `${route}.${format}${text && `?${text}`}`
}

interface MenuProps {
  readonly path: string
  /** whether it is an answer of a view, which has formats */
  readonly formats?: boolean
  /** exports every row, and not only as many as are shown */
  readonly all?: boolean
}

export function CopyMenu({ path, formats = true, all = false }: MenuProps): JSX.Element {
  const [said, setSaid] = useState('')
  const [open, setOpen] = useState(false)
  const copy = async (language: Language): Promise<void> => {
    await navigator.clipboard.writeText(TEXTS[language](path))
    setSaid(`copied as ${language}`)
    setTimeout(() => setSaid(''), 2_000)
  }
  const leave = ({ relatedTarget, currentTarget }: FocusEvent): void => {
    if (!(currentTarget as Node).contains(relatedTarget as Node | null)) setOpen(false)
  }
  return (
    <div class="copy">
      <span role="status" class="hint">
        {said}
      </span>
      <details
        class="menu"
        open={open}
        onToggle={(event) => setOpen(event.currentTarget.open)}
        onFocusOut={leave}
        onKeyDown={({ key }) => key === 'Escape' && setOpen(false)}
      >
        <summary>Export</summary>
        {open && <Items path={path} formats={formats} all={all} copy={(language) => void copy(language)} />}
      </details>
    </div>
  )
}

interface ItemsProps extends Required<MenuProps> {
  readonly copy: (language: Language) => void
}

function Items({ path, formats, all, copy }: ItemsProps): JSX.Element {
  return (
    <ul>
      {(Object.keys(TEXTS) as Language[]).map((language) => (
        <li key={language}>
          <button type="button" onClick={() => copy(language)}>
            Copy as {language}
          </button>
        </li>
      ))}
      {formats &&
        Object.entries(FORMATS).map(([format, name]) => (
          <li key={format}>
            <a href={exportPath(path, format, all)} download>
              Download {all ? 'all rows ' : ''}as {name}
            </a>
          </li>
        ))}
      <li>
        <a href={path} target="_blank" rel="noreferrer">
          Open the answer (JSON)
        </a>
      </li>
    </ul>
  )
}
