/** Public posts of Bluesky, live from its Jetstream: https://github.com/bluesky-social/jetstream */
import { count, countDistinct, defineDataset, sliding } from '#core/definition.ts'

/** The socket also sends changes of accounts and handles, and posts that are deleted. */
const post = "collection = 'app.bsky.feed.post' AND operation = 'create'"

export default defineDataset({
  name: 'bluesky_posts',
  label: 'Posts on Bluesky',
  time: 'received_at',
  key: 'author',
  lateAfter: '1m',
  columns: {
    author: { type: 'VARCHAR', path: '$.did', required: true },
    // When Jetstream got it: what a post itself says (created_at) is chosen by its author's program.
    received_at: { type: 'TIMESTAMP', path: '$.time_us', unit: 'us', required: true },
    kind: { type: 'VARCHAR', path: '$.kind' },
    operation: { type: 'VARCHAR', path: '$.commit.operation' },
    collection: { type: 'VARCHAR', path: '$.commit.collection' },
    created_at: { type: 'TIMESTAMP', path: '$.commit.record.createdAt' },
    text: { type: 'VARCHAR', path: '$.commit.record.text' },
    languages: { type: 'VARCHAR[]', path: '$.commit.record.langs[*]' },
    reply_to: { type: 'VARCHAR', path: '$.commit.record.reply.parent.uri' },
    hashtags: { type: 'VARCHAR[]', as: "list_distinct(regexp_extract_all(lower(text), '#[\\p{L}\\p{N}_]+'))" },
  },
  views: {
    posts: {
      label: 'Posts and replies',
      dimensions: { reply: 'reply_to IS NOT NULL' },
      where: post,
      time: ['minute', 'hour', 'day', 'week', 'month'],
      measures: { posts: count({ label: 'Posts' }), authors: countDistinct('author', { label: 'Authors' }) },
    },
    languages: {
      label: 'Posts by language; a post can name several',
      unnest: { language: 'languages' },
      dimensions: { language: 'language' },
      where: post,
      time: ['minute', 'hour', 'day', 'week', 'month'],
      measures: { posts: count({ label: 'Posts' }), authors: countDistinct('author', { label: 'Authors' }) },
    },
    trending_hashtags: {
      label: 'Hashtags of the last ten minutes',
      unnest: { hashtag: 'hashtags' },
      dimensions: { hashtag: 'hashtag' },
      where: post,
      window: sliding({ size: '10m', every: '10s' }),
      measures: { posts: count({ label: 'Posts' }), authors: countDistinct('author', { label: 'Authors' }) },
      rank: { by: 'posts', limit: 10, having: 'authors > 1' },
    },
  },
  sources: [
    {
      name: 'jetstream',
      kind: 'websocket',
      url: 'wss://jetstream2.us-east.bsky.network/subscribe?wantedCollections=app.bsky.feed.post',
      // Jetstream goes back to the cursor; five seconds more, because events of a moment are not in the order of their times.
      resume: { parameter: 'cursor', from: '$.time_us', overlap: 5_000_000, unit: 'us' },
    },
  ],
})
