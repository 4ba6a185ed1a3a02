/** Removes everything that tests made in a server: indices, templates and settings of the cluster. */

/** a request line may have 4 KB */
const NAMES_MAX = 20
const REQUEST_MS_MAX = 30_000

/** @throws when the server does not answer, or refuses */
export async function emptyElasticsearch(node: string): Promise<void> {
  const indices = await ask<object>(node, 'GET', '/_all/_alias?expand_wildcards=all')
  await removeAll(node, '', Object.keys(indices))
  const templates = await ask<Templates>(node, 'GET', '/_index_template')
  await removeAll(node, '/_index_template', ownNames(templates))
  const settings = { persistent: { '*': null }, transient: { '*': null } }
  await ask(node, 'PUT', '/_cluster/settings', settings)
}

interface Templates {
  readonly index_templates: readonly { readonly name: string; readonly index_template: { readonly _meta?: Meta } }[]
}
interface Meta {
  readonly managed?: boolean
}

/** Without those that the server brings. */
function ownNames({ index_templates: templates }: Templates): string[] {
  return templates.filter(({ index_template }) => index_template._meta?.managed !== true).map(({ name }) => name)
}

async function removeAll(node: string, path: string, names: readonly string[]): Promise<void> {
  for (let from = 0; from < names.length; from += NAMES_MAX)
    await ask(node, 'DELETE', `${path}/${names.slice(from, from + NAMES_MAX).join(',')}`)
}

async function ask<Answer>(node: string, method: string, path: string, body?: object): Promise<Answer> {
  const answer = await fetch(`${node}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(REQUEST_MS_MAX),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Answer
}
