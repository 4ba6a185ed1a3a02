/** Clicks on a site that sells courses: who looks at what, what is bought, and what a user did last. */
import { count, countDistinct, defineDataset, latest, max, min, ratio, sliding, sum } from '#core/definition.ts'

const when = (condition: string) => `CASE WHEN ${condition} THEN 1 ELSE 0 END`
const one = (action: string) => when(`action = '${action}'`)

export default defineDataset({
  name: 'course_clicks',
  label: 'Clicks on courses',
  time: 'clicked_at',
  // All clicks of a user are in one partition, in their order.
  key: 'user_id',
  lateAfter: '5m',
  columns: {
    click_id: { type: 'VARCHAR', path: '$.id', required: true },
    clicked_at: { type: 'TIMESTAMP', path: '$.at', required: true, label: 'Clicked at' },
    action: { type: 'VARCHAR', path: '$.action', required: true, label: 'view, play, cart or purchase' },
    user_id: { type: 'BIGINT', path: '$.user.id', required: true },
    country: { type: 'VARCHAR', path: '$.user.country' },
    course_id: { type: 'VARCHAR', path: '$.course.id', required: true },
    title: { type: 'VARCHAR', path: '$.course.title' },
    category: { type: 'VARCHAR', path: '$.course.category' },
    price: { type: 'DECIMAL(9,2)', path: '$.price', unit: 'USD', label: 'What was paid' },
    referrer: { type: 'VARCHAR', path: '$.referrer' },
  },
  views: {
    courses: {
      label: 'Clicks, users, purchases and conversion by course',
      dimensions: { course_id: 'course_id', category: 'category' },
      time: ['hour', 'day', 'week', 'month'],
      measures: {
        clicks: count({ label: 'Clicks' }),
        users: countDistinct('user_id', { label: 'Users who clicked' }),
        views: count({ where: "action = 'view'", label: 'Views' }),
        purchases: count({ where: "action = 'purchase'", label: 'Purchases' }),
        buyers: countDistinct('user_id', { where: "action = 'purchase'", label: 'Users who bought' }),
        revenue: sum('price', { where: "action = 'purchase'", label: 'Revenue' }),
        conversion: ratio(one('purchase'), one('view'), { label: 'Purchases per view', format: 'percent' }),
        title: latest('title'),
      },
    },
    activity: {
      label: 'Clicks, purchases and conversion over time, by the minute',
      dimensions: { course_id: 'course_id', category: 'category' },
      time: ['minute', 'hour', 'day', 'week', 'month'],
      measures: {
        clicks: count({ label: 'Clicks' }),
        views: count({ where: "action = 'view'", label: 'Views' }),
        purchases: count({ where: "action = 'purchase'", label: 'Purchases' }),
        revenue: sum('price', { where: "action = 'purchase'", label: 'Revenue' }),
        conversion: ratio(one('purchase'), one('view'), { label: 'Purchases per view', format: 'percent' }),
        title: latest('title'),
      },
    },
    trending_courses: {
      label: 'Courses that are viewed right now',
      dimensions: { course_id: 'course_id' },
      where: "action IN ('view', 'play')",
      window: sliding({ size: '10m', every: '30s' }),
      measures: { clicks: count({ label: 'Clicks' }), users: countDistinct('user_id'), title: latest('title') },
      rank: { by: 'clicks', limit: 10 },
    },
    users: {
      label: 'Users: their last activity and what they bought',
      dimensions: { user_id: 'user_id' },
      measures: {
        clicks: count(),
        first_activity: min('clicked_at'),
        last_activity: max('clicked_at'),
        last_action: latest('action'),
        last_course: latest('course_id'),
        purchases: count({ where: "action = 'purchase'" }),
        spent: sum('price', { where: "action = 'purchase'" }),
        last_purchase: max('clicked_at', { where: "action = 'purchase'" }),
        last_bought: latest('course_id', { where: "action = 'purchase'" }),
        country: latest('country'),
      },
    },
    user_courses: {
      label: 'What a user did with each course',
      dimensions: { user_id: 'user_id', course_id: 'course_id' },
      measures: {
        views: count({ where: "action = 'view'" }),
        purchases: count({ where: "action = 'purchase'" }),
        last_activity: max('clicked_at'),
        title: latest('title'),
      },
    },
    // Whether a view came before a purchase is known exactly from the earliest view and the latest purchase, in any order of arrival.
    viewed_then_bought: {
      label: 'Users who viewed a course, and bought it afterwards',
      dimensions: { course_id: 'course_id', user_id: 'user_id' },
      measures: {
        first_view: min('clicked_at', { where: "action = 'view'" }),
        last_purchase: max('clicked_at', { where: "action = 'purchase'" }),
      },
      rank: { by: 'last_purchase', limit: 10_000, having: 'first_view < last_purchase' },
    },
  },
  groupings: {
    funnel: {
      label: 'Users of a course: who viewed it, who bought it, and who did so after a view',
      over: 'viewed_then_bought',
      dimensions: { course_id: 'course_id' },
      measures: {
        viewed: count({ where: 'first_view IS NOT NULL', label: 'Viewed' }),
        viewed_then_bought: count({ where: 'first_view < last_purchase', label: 'Viewed, then bought' }),
        bought: count({ where: 'last_purchase IS NOT NULL', label: 'Bought' }),
        share: ratio(when('first_view < last_purchase'), when('first_view IS NOT NULL'), {
          label: 'Of those who viewed it',
          format: 'percent',
        }),
      },
      rank: { by: 'viewed_then_bought', limit: 10 },
    },
  },
  dashboard: [
    {
      section: 'Courses',
      ...{ kind: 'number', title: 'All courses', view: 'courses' },
      measures: ['clicks', 'users', 'views', 'purchases', 'buyers', 'revenue', 'conversion'],
    },
    { kind: 'ranking', title: 'Viewed right now', view: 'trending_courses' },
    { kind: 'lines', title: 'Clicks over time', view: 'activity', dimensions: ['category'] },
    { kind: 'funnel', title: 'From click to purchase', view: 'courses', measures: ['clicks', 'views', 'purchases'] },
    { kind: 'lines', title: 'Purchases per view', view: 'activity', measures: ['conversion'] },
    { kind: 'ranking', title: 'Revenue by course', view: 'courses', dimensions: ['course_id'], measures: ['revenue'] },
    { kind: 'heat', title: 'Clicks by hour of the week', view: 'courses', width: 8 },
    {
      ...{ kind: 'table', title: 'Conversion by course', view: 'courses', order: '-purchases', limit: 10 },
      measures: ['title', 'clicks', 'users', 'views', 'purchases', 'revenue', 'conversion'],
    },
    {
      section: 'Users, and the history of one',
      kind: 'table',
      title: 'Users',
      view: 'users',
      order: '-clicks',
      limit: 10,
    },
    {
      ...{ kind: 'table', title: 'What they did with each course', view: 'user_courses', limit: 10, width: 6 },
      ...{ measures: ['title', 'views', 'purchases', 'last_activity'], order: '-views' },
    },
    { kind: 'table', title: 'Viewed first, then bought', view: 'viewed_then_bought', limit: 10, width: 6 },
    {
      ...{ kind: 'funnel', title: 'Users who viewed a course, then bought it', view: 'funnel' },
      measures: ['viewed', 'viewed_then_bought'],
    },
    {
      kind: 'table',
      title: 'Viewed, then bought, by course',
      view: 'funnel',
      order: '-viewed_then_bought',
      limit: 10,
      width: 8,
    },
    {
      ...{ kind: 'events', title: 'Clicks of a user' },
      dimensions: ['user_id', 'action', 'course_id', 'title', 'price', 'country', 'referrer'],
    },
  ],
})
