// emerging: Which methods, data sets and benchmarks are new and growing?
// Compares shares of the papers since a year and of those before, so that a year with more papers is no trend; one is
// added to all counts, so that a single paper is none either.
// param since (integer): The year from which on a paper counts as recent.
// param label (label = null): Only Method, Dataset, Benchmark, Task or Metric.
// param limit (integer = 20): Rows at most.
// column name (string): Name of the entity.
// column label (string): Its label.
// column recent (integer): Papers since that year that mention it.
// column before (integer): Papers before that year that mention it.
// column growth (float): Share of the recent papers over share of those before.
// column first_year (integer): Year of the first paper that mentions it.
MATCH (q:Paper)
WHERE q.year IS NOT NULL
WITH sum(CASE WHEN q.year >= $since THEN 1 ELSE 0 END) AS lately, sum(CASE WHEN q.year < $since THEN 1 ELSE 0 END) AS earlier
MATCH (p:Paper)-[:MENTIONS]->(x)
WHERE p.year IS NOT NULL AND ($label IS NULL OR $label IN labels(x))
WITH lately, earlier, x, sum(CASE WHEN p.year >= $since THEN 1 ELSE 0 END) AS recent, sum(CASE WHEN p.year < $since THEN 1 ELSE 0 END) AS before
WHERE recent > 1
RETURN x.name AS name, head(labels(x)) AS label, recent, before, (recent + 1.0) / (lately + 1.0) / (before + 1.0) * (earlier + 1.0) AS growth, x.first_year AS first_year
ORDER BY growth DESC, recent DESC, name
LIMIT $limit
