/** Maps as Kibana's own: a layer of clusters over its base map. */
import { kuery } from './kibana-lens.ts'
import type { MapPanel, Metric, Panel } from './panel.ts'

export type Map = Panel & MapPanel

/** Name of the reference to the data view. */
export const MAP_REFERENCE = 'layer_1_source_index_pattern'

/** `attributes` of the saved object. */
export function mapAttributes(panel: Map): object {
  const query = { query: '', language: 'kuery' }
  return {
    title: panel.title,
    description: '',
    layerListJSON: JSON.stringify([baseLayer(panel), clusters(panel)]),
    mapStateJSON: JSON.stringify({ zoom: 1.4, center: { lon: 10, lat: 25 }, query, filters: [] }),
    uiStateJSON: JSON.stringify({ isLayerTOCOpen: false, openTOCDetails: [] }),
  }
}

function baseLayer({ id }: Map): object {
  return {
    id: `${id}-base`,
    type: 'EMS_VECTOR_TILE',
    sourceDescriptor: { type: 'EMS_TMS', isAutoSelect: true, lightModeDefault: 'road_map_desaturated' },
    style: { type: 'EMS_VECTOR_TILE', color: '' },
    visible: true,
    alpha: 1,
    minZoom: 0,
    maxZoom: 24,
    includeInFitToBounds: true,
  }
}

function clusters(panel: Map): object {
  const [metric] = panel.show
  const name = metric!.kind === 'count' ? 'doc_count' : `${metric!.kind}_of_${metric!.field}`
  const field = { name, origin: 'source' }
  const options = { field, fieldMetaOptions: { isEnabled: true, sigma: 3 } }
  return {
    id: `${panel.id}-clusters`,
    label: metric!.label,
    type: 'GEOJSON_VECTOR',
    query: { language: 'kuery', query: kuery(panel.where) },
    sourceDescriptor: {
      id: `${panel.id}-source`,
      type: 'ES_GEO_GRID',
      requestType: 'point',
      resolution: 'COARSE',
      geoField: panel.place,
      metrics: panel.show.map(metricOf),
      applyGlobalQuery: true,
      applyGlobalTime: true,
      applyForceRefresh: true,
      indexPatternRefName: MAP_REFERENCE,
    },
    style: {
      type: 'VECTOR',
      isTimeAware: true,
      properties: {
        fillColor: { type: 'DYNAMIC', options: { ...options, color: 'Blues' } },
        lineColor: { type: 'STATIC', options: { color: '#FFFFFF' } },
        lineWidth: { type: 'STATIC', options: { size: 1 } },
        iconSize: { type: 'DYNAMIC', options: { ...options, minSize: 6, maxSize: 30 } },
      },
    },
    joins: [],
    visible: true,
    alpha: 0.75,
    minZoom: 0,
    maxZoom: 24,
    includeInFitToBounds: true,
  }
}

function metricOf({ kind, field, label }: Metric): object {
  return kind === 'count'
    ? { type: 'count', label }
    : { type: kind === 'distinct' ? 'cardinality' : kind, field, label }
}
