/** Families of metrics as values: made where their figures are known, put together and written as text where they are asked for. */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from "prom-client";
import type { MetricFamily } from "../../../protocol/model/metric-family.ts";

export interface Sample {
  /** Default: the family's. */
  readonly metricName?: string | undefined;
  readonly labels?: Readonly<Partial<Record<string, string | number>>>;
  readonly value: number;
}

/** Without what is no number: it could not be measured. */
export function family(
  name: string,
  type: MetricFamily["type"],
  help: string,
  samples: readonly Sample[],
): MetricFamily {
  const values = samples.filter(({ value }) => Number.isFinite(value));
  return {
    name,
    type,
    help,
    values: values.map(({ metricName, labels = {}, value }) => ({
      metricName: metricName ?? name,
      labels: Object.fromEntries(
        Object.entries(labels).map(([label, text]) => [label, String(text).slice(0, 200)]),
      ),
      value,
    })),
  };
}

/** A histogram that was counted elsewhere. `counts` are those of each bucket alone; the last one is of what is beyond all. */
export function histogram(
  name: string,
  help: string,
  series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly bounds: readonly number[];
    readonly counts: readonly number[];
    readonly sum: number;
  }[],
): MetricFamily {
  const samples = series.flatMap(({ labels, bounds, counts, sum }) => {
    let total = 0;
    const buckets = [...bounds.map(String), "+Inf"].map((le, at) => {
      total += counts[at] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: total },
    ];
  });
  return family(name, "histogram", help, samples);
}

/** The same families, each sample with these labels too. */
export const labelled = (
  families: readonly MetricFamily[],
  labels: Readonly<Record<string, string>>,
): MetricFamily[] =>
  families.map((each) => ({
    ...each,
    values: each.values.map((value) => ({ ...value, labels: { ...value.labels, ...labels } })),
  }));

/** Everything as Prometheus reads it (text format 0.0.4); families of one name become one. */
export async function exposition(families: readonly MetricFamily[]): Promise<string> {
  const asLibrary = families.map(
    (each) =>
      ({ ...each, aggregator: "sum" }) as unknown as MetricObjectWithValues<MetricValue<string>>,
  );
  const registry = AggregatorRegistry.aggregate([asLibrary] as unknown as object[]);
  return registry.metrics();
}
