/** All saved objects for Kibana: data views, panels and dashboards, one JSON object a line. */
import { type Chart, LENS_REFERENCE, lensAttributes } from './kibana-lens.ts'
import { MAP_REFERENCE, mapAttributes } from './kibana-map.ts'
import { type Drawn, vegaAttributes } from './kibana-vega.ts'
import type { Dashboard, Panel, PresentedData } from './panel.ts'

export interface Reference {
  readonly type: string
  readonly id: string
  readonly name: string
}

export interface SavedObject {
  readonly type: 'index-pattern' | 'lens' | 'map' | 'visualization' | 'dashboard'
  readonly id: string
  readonly attributes: object
  readonly references: readonly Reference[]
  readonly coreMigrationVersion: string
  readonly typeMigrationVersion: string
  readonly managed: boolean
}

/** Shapes as of Kibana 8.9, which every later version reads and brings up to date. */
const VERSIONS = {
  'index-pattern': '8.0.0',
  lens: '8.9.0',
  map: '8.4.0',
  visualization: '8.5.0',
  dashboard: '8.9.0',
} as const
const DRAWN: readonly Panel['shape'][] = ['heat', 'candles', 'histogram']
const CORE_VERSION = '8.8.0'
const GRID_COLUMNS = 48
const REFRESH_MS = 10_000

export function kibanaNdjson(
  dataset: string,
  views: readonly PresentedData[],
  dashboards: readonly Dashboard[],
): string {
  return kibanaObjects(dataset, views, dashboards)
    .map((object) => `${JSON.stringify(object)}\n`)
    .join('')
}

export function kibanaObjects(
  dataset: string,
  views: readonly PresentedData[],
  dashboards: readonly Dashboard[],
): SavedObject[] {
  return [
    ...views.map((view) => dataView(dataset, view)),
    ...dashboards.flatMap(({ panels }) => panels.map((panel) => panelObject(dataset, panel))),
    ...dashboards.map((dashboard) => dashboardObject(dataset, dashboard)),
  ]
}

/** Ids are the same each time, so that a later import replaces and does not add. */
function idOf(dataset: string, name: string): string {
  return `watershed-${dataset}-${name}`
}

function typeOf({ shape }: Panel): 'map' | 'lens' | 'visualization' {
  if (DRAWN.includes(shape)) return 'visualization'
  return shape === 'map' ? 'map' : 'lens'
}

/** of the rows of a view */
function indexOf(dataset: string, view: string): string {
  return `${dataset}-${view}`
}

function saved(
  type: SavedObject['type'],
  id: string,
  attributes: object,
  references: readonly Reference[],
): SavedObject {
  const versions = { coreMigrationVersion: CORE_VERSION, typeMigrationVersion: VERSIONS[type] }
  return { type, id, attributes, references, ...versions, managed: false }
}

function dataView(dataset: string, { view, title, time }: PresentedData): SavedObject {
  const attributes = {
    title: indexOf(dataset, view),
    name: title,
    timeFieldName: time,
    fields: '[]',
    fieldAttrs: '{}',
    fieldFormatMap: '{}',
    runtimeFieldMap: '{}',
    sourceFilters: '[]',
  }
  return saved('index-pattern', idOf(dataset, view), attributes, [])
}

function panelObject(dataset: string, panel: Panel): SavedObject {
  if (typeOf(panel) === 'visualization')
    return saved(
      'visualization',
      idOf(dataset, panel.id),
      vegaAttributes(panel as Drawn, indexOf(dataset, panel.view)),
      [],
    )
  const data = { type: 'index-pattern', id: idOf(dataset, panel.view) }
  if (panel.shape === 'map')
    return saved('map', idOf(dataset, panel.id), mapAttributes(panel), [{ ...data, name: MAP_REFERENCE }])
  return saved('lens', idOf(dataset, panel.id), lensAttributes(panel as Chart), [{ ...data, name: LENS_REFERENCE }])
}

function dashboardObject(dataset: string, { id, title, description, from, panels }: Dashboard): SavedObject {
  const places = layOut(panels)
  const panelsJson = panels.map((panel, index) => ({
    version: VERSIONS.dashboard,
    type: typeOf(panel),
    gridData: { ...places[index], i: panel.id },
    panelIndex: panel.id,
    embeddableConfig: { enhancements: {} },
    panelRefName: `panel_${panel.id}`,
  }))
  const attributes = {
    title,
    description,
    panelsJSON: JSON.stringify(panelsJson),
    optionsJSON: JSON.stringify({
      useMargins: true,
      syncColors: false,
      syncCursor: true,
      syncTooltips: false,
      hidePanelTitles: false,
    }),
    timeRestore: true,
    timeFrom: from,
    timeTo: 'now',
    refreshInterval: { pause: false, value: REFRESH_MS },
    kibanaSavedObjectMeta: {
      searchSourceJSON: JSON.stringify({ query: { query: '', language: 'kuery' }, filter: [] }),
    },
  }
  const references = panels.map((panel) => ({
    type: typeOf(panel),
    id: idOf(dataset, panel.id),
    name: `${panel.id}:panel_${panel.id}`,
  }))
  return saved('dashboard', idOf(dataset, id), attributes, references)
}

/** From left to right; a panel that does not fit begins the next row. */
function layOut(panels: readonly Panel[]): { x: number; y: number; w: number; h: number }[] {
  let [x, y, rowHeight] = [0, 0, 0]
  return panels.map(({ width, height }) => {
    if (x + width > GRID_COLUMNS) {
      y += rowHeight
      x = 0
      rowHeight = 0
    }
    const place = { x, y, w: width, h: height }
    x += width
    rowHeight = Math.max(rowHeight, height)
    return place
  })
}
