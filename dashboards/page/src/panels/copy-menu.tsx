/** The question of a panel, for other programs: as curl, TypeScript or Python. */
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

export function CopyMenu({ path }: { path: string }): JSX.Element {
  const [said, setSaid] = useState('')
  const copy = async (language: Language): Promise<void> => {
    await navigator.clipboard.writeText(TEXTS[language](path))
    setSaid(`copied as ${language}`)
    setTimeout(() => setSaid(''), 2_000)
  }
  return (
    <div class="copy">
      <span role="status" class="hint">
        {said}
      </span>
      <details class="menu">
        <summary>Use it elsewhere</summary>
        <ul>
          {(Object.keys(TEXTS) as Language[]).map((language) => (
            <li key={language}>
              <button type="button" onClick={() => void copy(language)}>
                Copy as {language}
              </button>
            </li>
          ))}
          <li>
            <a href={path} target="_blank" rel="noreferrer">
              Open the answer (JSON)
            </a>
          </li>
        </ul>
      </details>
    </div>
  )
}
