/** Posts that name the marketplaces of AWS, Azure or Google Cloud, in the shape of a recent search of API v2, with their annotations. */
import { avg, count, countDistinct, defineDataset, max, ratio, sliding } from '#core/definition.ts'
import { LEXICON } from './annotate-post.ts'

/** Only scores of one word list, in one version, are added up; a post without a score counts in no share. */
const scored = `lexicon = '${LEXICON}'`
const share = (condition: string) => `CASE WHEN ${condition} THEN 1 ELSE 0 END`

/** what is searched for: https://docs.x.com/x-api/posts/search/introduction */
const search = 'marketplace (aws OR azure OR gcp OR "google cloud" OR "amazon web services") -is:retweet'

const named = (cloud: string, pattern: string) =>
  `CASE WHEN regexp_matches(lower(text), '\\b(${pattern})\\b') THEN ['${cloud}'] ELSE []::VARCHAR[] END`
/** A post may name several; a changed pattern is applied to past posts by a backfill. */
const clouds = `list_concat(${named('aws', 'aws|amazon web services')}, list_concat(${named('azure', 'azure')}, ${named('gcp', 'gcp|google cloud')}))`

const sentiment = {
  scored: count({ where: scored, label: 'Posts with a score' }),
  sentiment: avg('sentiment', { where: scored, label: 'Mean sentiment' }),
  positive: ratio(share('sentiment > 0'), '1', { where: scored, label: 'Share of positive posts', format: 'percent' }),
  negative: ratio(share('sentiment < 0'), '1', { where: scored, label: 'Share of negative posts', format: 'percent' }),
} as const

export default defineDataset({
  name: 'cloud_mentions',
  label: 'Posts about cloud marketplaces',
  time: 'created_at',
  key: 'author_id',
  lateAfter: '15m',
  columns: {
    post_id: { type: 'VARCHAR', path: '$.id', required: true },
    created_at: { type: 'TIMESTAMP', path: '$.created_at', required: true },
    author_id: { type: 'VARCHAR', path: '$.author_id', required: true },
    text: { type: 'VARCHAR', path: '$.text' },
    lang: { type: 'VARCHAR', path: '$.lang' },
    hashtags: { type: 'VARCHAR[]', path: '$.entities.hashtags[*].tag' },
    likes: { type: 'INTEGER', path: '$.public_metrics.like_count', default: 0 },
    clouds: { type: 'VARCHAR[]', as: clouds, label: 'Clouds that the text names' },
    sentiment: { type: 'INTEGER', path: '$.annotations.sentiment' },
    lexicon: { type: 'VARCHAR', path: '$.annotations.lexicon' },
  },
  views: {
    clouds: {
      label: 'Posts by cloud; a post that names several counts for each',
      unnest: { cloud: 'clouds' },
      dimensions: { cloud: 'cloud' },
      time: ['minute', 'hour', 'day', 'week', 'month'],
      measures: { posts: count(), authors: countDistinct('author_id', { exact: true }), ...sentiment },
    },
    posts: {
      label: 'Posts, each counted once, by the number of clouds that they name',
      dimensions: { clouds_named: 'coalesce(length(clouds), 0)' },
      time: ['hour', 'day', 'week', 'month'],
      measures: { posts: count(), authors: countDistinct('author_id', { exact: true }), ...sentiment },
    },
    together: {
      label: 'Posts that name both of two clouds',
      unnest: { cloud: 'clouds', other: 'clouds' },
      dimensions: { cloud: 'cloud', other: 'other' },
      where: 'cloud < other',
      time: ['hour', 'day', 'week', 'month'],
      measures: { posts: count(), authors: countDistinct('author_id', { exact: true }) },
    },
    trending_hashtags: {
      label: 'Hashtags of the last hour',
      unnest: { hashtag: 'hashtags' },
      dimensions: { hashtag: 'lower(hashtag)' },
      window: sliding({ size: '1h', every: '1m' }),
      measures: { posts: count(), authors: countDistinct('author_id', { exact: true }) },
      rank: { by: 'posts', limit: 10, having: 'authors > 1' },
    },
    authors: {
      label: 'Authors',
      dimensions: { author_id: 'author_id' },
      measures: { posts: count(), likes: max('likes'), ...sentiment, last_post: max('created_at') },
      rank: { by: 'posts', limit: 10 },
    },
  },
  sources: [
    {
      name: 'recent_search',
      kind: 'polling',
      url: `https://api.x.com/2/tweets/search/recent?query=${encodeURIComponent(search)}&tweet.fields=author_id,created_at,entities,lang,public_metrics&max_results=100`,
      headers: { authorization: 'Bearer {env:TWITTER_BEARER_TOKEN}' },
      every: '60s',
      records: '$.data',
      page: { parameter: 'next_token', from: '$.meta.next_token' },
      resume: { parameter: 'since_id', from: '$.meta.newest_id' },
      // It needs a token of one's own.
      paused: true,
    },
  ],
  dashboard: [
    {
      section: 'Clouds',
      ...{ kind: 'number', title: 'All posts', view: 'posts' },
      measures: ['posts', 'authors', 'scored', 'sentiment', 'positive', 'negative'],
    },
    { kind: 'lines', title: 'Posts by cloud over time', view: 'clouds', dimensions: ['cloud'] },
    { kind: 'ranking', title: 'Posts by cloud', view: 'clouds' },
    {
      ...{ kind: 'lines', title: 'Sentiment by cloud over time', view: 'clouds', dimensions: ['cloud'] },
      measures: ['sentiment'],
    },
    { kind: 'ranking', title: 'Sentiment by cloud', view: 'clouds', measures: ['sentiment', 'positive', 'negative'] },
    { kind: 'table', title: 'Posts that name two clouds', view: 'together', width: 6, limit: 10 },
    { kind: 'heat', title: 'By hour of the week', view: 'posts', width: 6 },
    { section: 'Hashtags and authors', kind: 'ranking', title: 'Hashtags of the last hour', view: 'trending_hashtags' },
    { kind: 'lines', title: 'Hashtags over time', view: 'trending_hashtags', dimensions: ['hashtag'] },
    { kind: 'table', title: 'Authors', view: 'authors', width: 12 },
  ],
})
