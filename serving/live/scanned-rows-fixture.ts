/** For tests: how many rows the engine looks at for a question, as it says itself. */
import type { ViewQuery } from '#core/query.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { filteredSql } from '../answers/merged-sql.ts'
import type { LiveDataset } from './live-dataset.ts'

/** Of EXPLAIN. */
interface PlanNode {
  readonly operator_type?: string
  readonly operator_cardinality?: number
  readonly operator_rows_scanned?: number
  readonly children?: readonly PlanNode[]
}

const scansOf = (node: PlanNode): PlanNode[] => [
  ...(/SCAN/.test(node.operator_type ?? '') ? [node] : []),
  ...(node.children ?? []).flatMap(scansOf),
]

/** Rows that the scans of the answer's states look at, and that leave them. */
export async function scannedRows(
  live: LiveDataset,
  query: Omit<ViewQuery, 'dataset'>,
): Promise<{ scanned: number; left: number }> {
  const { dataset, engine } = live.served
  const head = await live.head(query.view)
  const bound = new BoundValues()
  const states = filteredSql(dataset.views.get(query.view)!, head.sql(bound), query, query.filters ?? [], bound)
  const connection = await engine.connect()
  const [row] = await connection.rows<{ explain_value: string }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM ${states}`,
    bound.parameters,
  )
  connection.close()
  head.release()
  const scans = scansOf(JSON.parse(row!.explain_value) as PlanNode)
  const sumOf = (count: (node: PlanNode) => number | undefined): number =>
    scans.reduce((sum, node) => sum + (count(node) ?? 0), 0)
  return {
    scanned: sumOf((node) => node.operator_rows_scanned),
    left: sumOf((node) => node.operator_cardinality),
  }
}
