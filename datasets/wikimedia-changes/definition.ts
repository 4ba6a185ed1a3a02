/** Recent changes of Wikipedia and its sister projects, live from Wikimedia's EventStreams: https://wikitech.wikimedia.org/wiki/Event_Platform/EventStreams */
import { count, countDistinct, defineDataset, max, sliding, sum } from '#core/definition.ts'

/** Wikimedia sends artificial events, by which it watches the stream itself. */
const real = "domain <> 'canary'"

export default defineDataset({
  name: 'wikimedia_changes',
  label: 'Recent changes of Wikimedia projects',
  time: 'changed_at',
  key: 'event_id',
  lateAfter: '1m',
  columns: {
    event_id: { type: 'VARCHAR', path: '$.meta.id', required: true },
    changed_at: { type: 'TIMESTAMP', path: '$.meta.dt', required: true },
    domain: { type: 'VARCHAR', path: '$.meta.domain', default: '' },
    wiki: { type: 'VARCHAR', path: '$.wiki' },
    type: { type: 'VARCHAR', path: '$.type', label: 'edit, new, log, categorize or external' },
    namespace: { type: 'INTEGER', path: '$.namespace', label: '0: articles' },
    title: { type: 'VARCHAR', path: '$.title' },
    editor: { type: 'VARCHAR', path: '$.user' },
    bot: { type: 'BOOLEAN', path: '$.bot', default: false },
    minor: { type: 'BOOLEAN', path: '$.minor', default: false },
    old_length: { type: 'INTEGER', path: '$.length.old' },
    new_length: { type: 'INTEGER', path: '$.length.new' },
  },
  views: {
    wikis: {
      label: 'Changes by wiki',
      dimensions: { wiki: 'wiki', type: 'type' },
      where: real,
      time: ['minute', 'hour', 'day', 'week', 'month'],
      measures: {
        changes: count({ label: 'Changes' }),
        by_bots: count({ where: 'bot', label: 'By bots' }),
        editors: countDistinct('editor', { label: 'Editors' }),
        bytes_added: sum('new_length - coalesce(old_length, 0)', { label: 'Bytes added' }),
      },
    },
    trending_pages: {
      label: 'Articles that several people edit right now',
      dimensions: { wiki: 'wiki', title: 'title' },
      where: `${real} AND type IN ('edit', 'new') AND namespace = 0 AND NOT bot`,
      window: sliding({ size: '10m', every: '10s' }),
      measures: { edits: count({ label: 'Edits' }), editors: countDistinct('editor'), last_edit: max('changed_at') },
      rank: { by: 'edits', limit: 10, having: 'editors > 1' },
    },
  },
  sources: [
    {
      name: 'recentchange',
      kind: 'server-sent-events',
      url: 'https://stream.wikimedia.org/v2/stream/recentchange',
      // Wikimedia asks clients to name themselves: https://foundation.wikimedia.org/wiki/Policy:User-Agent_policy
      headers: { 'user-agent': 'watershed-analytics/0.1 (dataset wikimedia_changes)' },
    },
  ],
  dashboard: [
    { section: 'Right now', kind: 'number', title: 'All projects', view: 'wikis' },
    { kind: 'ranking', title: 'Articles that several people edit', view: 'trending_pages', dimensions: ['title'] },
    { kind: 'lines', title: 'Changes over time', view: 'wikis', dimensions: ['type'] },
    { section: 'Projects', kind: 'ranking', title: 'By project', view: 'wikis', dimensions: ['wiki'], limit: 12 },
    { kind: 'stacked', title: 'Projects over time', view: 'wikis', dimensions: ['wiki'], limit: 6 },
    { kind: 'table', title: 'Changes by project and type', view: 'wikis', order: '-changes', width: 8 },
    { kind: 'heat', view: 'wikis', width: 4 },
  ],
})
