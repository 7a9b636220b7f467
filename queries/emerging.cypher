// emerging: Which methods, data sets and benchmarks are new and growing?
// Compares the papers since a year with those before; one is added to both counts, so that a single paper is no trend.
// param since (integer): The year from which on a paper counts as recent.
// param label (string = null): Only Method, Dataset, Benchmark, Task or Metric.
// param limit (integer = 20): Rows at most.
// column name (string): Name of the entity.
// column label (string): Its label.
// column recent (integer): Papers since that year that mention it.
// column before (integer): Papers before that year that mention it.
// column growth (float): (recent + 1) / (before + 1).
// column first_year (integer): Year of the first paper that mentions it.
MATCH (p:Paper)-[:MENTIONS]->(x)
WHERE p.year IS NOT NULL AND ($label IS NULL OR $label IN labels(x))
WITH x, sum(CASE WHEN p.year >= $since THEN 1 ELSE 0 END) AS recent, sum(CASE WHEN p.year < $since THEN 1 ELSE 0 END) AS before
WHERE recent > 1
RETURN x.name AS name, head(labels(x)) AS label, recent, before, (recent + 1.0) / (before + 1.0) AS growth, x.first_year AS first_year
ORDER BY growth DESC, recent DESC, name
LIMIT $limit
