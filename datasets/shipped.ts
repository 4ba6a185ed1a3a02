/** The datasets that come with the product. Their modules are loaded only when they are used. */
import type { EventGenerator, EventGeneratorOptions } from './event-generator.ts'

export interface ShippedDataset {
  /** one line for people */
  readonly about: string
  /** address of the module whose default export is the definition */
  readonly definition: string
  /** its most interesting question: a view, and the parameters of a query, as after /v1/datasets/<name>/views/ */
  readonly firstQuestion: string
  /** makes the events of the demo source and of `watershed generate`; none where the definition has a live source */
  readonly generator?: (options: EventGeneratorOptions) => Promise<EventGenerator>
}

const at = (path: string): string => new URL(path, import.meta.url).href

/** By the dataset's name. */
export const SHIPPED_DATASETS: Readonly<Record<string, ShippedDataset>> = {
  meetup_rsvps: {
    about: 'Answers to meetup invitations: countries, cities, groups, events and trending topics',
    definition: at('./meetup-rsvps/definition.ts'),
    firstQuestion: 'trending_topics?limit=3',
    generator: async (options) => new (await import('./meetup-rsvps/rsvp-generator.ts')).RsvpGenerator(options),
  },
  course_clicks: {
    about: 'Clicks on a course site: conversion by course and hour, trending courses, users looked up by key, a funnel',
    definition: at('./course-clicks/definition.ts'),
    firstQuestion: 'courses?dimensions=course_id&order=-conversion&having=views:gte:5&limit=5',
    generator: async (options) => new (await import('./course-clicks/click-generator.ts')).ClickGenerator(options),
  },
  flights: {
    about: 'Flights: delays and cancellations by airline, airport, day and hour of the day',
    definition: at('./flights/definition.ts'),
    firstQuestion: 'airlines?order=-flights&limit=5',
    generator: async (options) => new (await import('./flights/flight-generator.ts')).FlightGenerator(options),
  },
  cloud_mentions: {
    about: 'Posts about cloud marketplaces: by cloud and hour, hashtags that trend, distinct authors, sentiment',
    definition: at('./cloud-mentions/definition.ts'),
    firstQuestion: 'clouds?dimensions=cloud&order=-posts',
    generator: async (options) => new (await import('./cloud-mentions/post-generator.ts')).PostGenerator(options),
  },
  wikimedia_changes: {
    about: 'Live: recent changes of Wikipedia and its sister projects, from Wikimedia, without a key',
    definition: at('./wikimedia-changes/definition.ts'),
    firstQuestion: 'trending_pages?limit=5',
  },
  bluesky_posts: {
    about: 'Live: public posts on Bluesky from its Jetstream, without a key: languages, hashtags that trend',
    definition: at('./bluesky-posts/definition.ts'),
    firstQuestion: 'trending_hashtags?limit=5',
  },
  stock_quotes: {
    about:
      'Stock quotes: bars, Bollinger bands, Aroon, RSI and moving averages over real prices, and what may be wrong with them',
    definition: at('./stock-quotes/definition.ts'),
    firstQuestion:
      'indicators?filter=symbol:eq:SPX&grain=minute&order=-time&limit=5&measures=close,sma_20,upper_band,lower_band,rsi_14',
    generator: async (options) => (await import('./stock-quotes/quote-generator.ts')).QuoteGenerator.of(options),
  },
}
