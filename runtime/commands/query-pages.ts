/** `watershed query --cursor`: each page is a process of its own, so the rows of the other pages are kept as files of the data folder. */
import { join } from 'node:path'
import type { ViewQuery } from '#core/query.ts'
import type { Answer } from '#serving/answers/merged-view.ts'
import { PageFiles } from '#serving/answers/page-files.ts'
import { FIRST_PAGE, type Page, pagedAnswersOf } from '#serving/answers/paged-answers.ts'
import { limited, onConnection } from '#serving/answers/time-limit.ts'
import type { AskedQuestion } from './asked-question.ts'
import type { Workspace } from './workspace.ts'

export function isFurtherPage({ query: { cursor } }: AskedQuestion): boolean {
  return cursor !== undefined && cursor !== FIRST_PAGE
}

/** Keeps the pages after this first one, if there are any. */
export async function keepPages(workspace: Workspace, { meta }: Pick<Answer, 'meta'>): Promise<void> {
  const { next, dataset } = meta
  if (next === null) return
  const { engine } = workspace
  const connection = await engine.connect()
  try {
    await filesOf(workspace, dataset).keep(connection, pagedAnswersOf(engine), next)
  } finally {
    connection.close()
  }
}

/** The page that the query's cursor names. @throws QueryError, CursorExpiredError, QueryTimeoutError */
export function keptPage(workspace: Workspace, query: ViewQuery): Promise<Omit<Page, 'snapshot' | 'computed'>> {
  const { engine, configuration } = workspace
  const { queryMsMax, answerBytesMax } = configuration
  return limited(queryMsMax, undefined, (signal) =>
    onConnection(engine, signal, (on) => filesOf(workspace, query.dataset).page(on, query, answerBytesMax)),
  )
}

function filesOf({ folder }: Workspace, dataset: string): PageFiles {
  return new PageFiles(join(folder.pagesFolder, dataset))
}
