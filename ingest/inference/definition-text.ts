/** Writes a drafted dataset as the TypeScript file that its user goes on with. */
import type { ColumnDraft } from './column-draft.ts'
import type { DatasetDraft, ViewDraft } from './dataset-draft.ts'

/** @param source what it was made from, for the first comment */
export function definitionText(draft: DatasetDraft, columns: readonly ColumnDraft[], source: string): string {
  const { name, time, key, views, doubts } = draft
  const used = [...new Set(views.flatMap(({ measures }) => measures.map(({ text }) => text.split('(')[0]!)))]
  const functions = [...used, ...(views.some((view) => 'size' in view.time) ? ['sliding'] : []), 'defineDataset']
  const lines = [
    `// Drafted from ${oneLine(source)}. Everything here is yours to change: names, types, views.`,
    ...doubts.map((doubt) => `// Please check: ${oneLine(doubt)}.`),
    `import { ${functions.toSorted().join(', ')} } from 'watershed'`,
    '',
    'export default defineDataset({',
    `  name: '${name}',`,
    '  // when the event happened',
    `  time: '${time.name}',`,
    '  // events with equal keys stay in one partition, in order',
    `  key: '${key.name}',`,
    '  columns: {',
    ...columns.flatMap((column) => columnLines(column, column === time || (column === key && key.isAlways))),
    '  },',
    '  views: {',
    ...views.flatMap(viewLines),
    '  },',
    '})',
  ]
  return `${lines.join('\n')}\n`
}

function columnLines({ name, type, path, as, unit, format, doubts }: ColumnDraft, isRequired: boolean): string[] {
  const parts = [
    `type: '${type}'`,
    as === undefined ? `path: ${quoted(path)}` : `as: ${quoted(as)}`,
    ...(unit === undefined ? [] : [`unit: '${unit}'`]),
    ...(format === undefined ? [] : [`format: ${formatText(format)}`]),
    ...(isRequired ? ['required: true'] : []),
  ]
  return [...doubts.map((doubt) => `    // Please check: ${oneLine(doubt)}.`), `    ${name}: { ${parts.join(', ')} },`]
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

function formatText(formats: readonly string[]): string {
  return formats.length === 1 ? quoted(formats[0]!) : `[${formats.map(quoted).join(', ')}]`
}

function viewLines({ name, comment, unnest, dimensions, time, measures }: ViewDraft): string[] {
  const when =
    'grains' in time
      ? `time: [${time.grains.map((grain) => `'${grain}'`).join(', ')}],`
      : `window: sliding({ size: '${time.size}', every: '${time.every}' }),`
  return [
    `    // ${comment}`,
    `    ${name}: {`,
    ...(unnest === undefined ? [] : [`      unnest: { ${unnest}_element: '${unnest}' },`]),
    `      dimensions: { ${dimensions.map((one) => `${one}: '${one === unnest ? `${one}_element` : one}'`).join(', ')} },`.replace(
      '{  }',
      '{}',
    ),
    `      ${when}`,
    `      measures: { ${measures.map((measure) => `${measure.name}: ${measure.text}`).join(', ')} },`,
    ...('size' in time ? [`      rank: { by: 'events', limit: 10 },`] : []),
    '    },',
  ]
}

function quoted(text: string): string {
  return text.includes("'") || text.includes('\\') ? JSON.stringify(text) : `'${text}'`
}
