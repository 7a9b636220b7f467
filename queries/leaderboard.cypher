// leaderboard: What figures do abstracts report on a data set, best first, with the sentence of each?
// As reported by the papers themselves, not verified; abstracts name few of the figures that papers hold. What people or
// chance reach is left out.
// param dataset (Dataset, Benchmark): The data set or benchmark, by name, alias or id.
// param metric (Metric = null): Only figures in this metric, by name, alias or id.
// param limit (integer = 20): Rows at most.
// column metric (string): Name of the metric; null where the text names none.
// column method (string): Name of the method; the paper's title where the method has no name.
// column value (string): The figure as the text writes it.
// column number (float): The figure as a number.
// column year (integer): Year of the paper.
// column paper (string): Title of the paper.
// column confidence (float): Confidence that figure, method, data set and metric are all read rightly.
// column sentence (string): The sentence that states it.
// column edge (string): Id of the result, for the evidence query.
MATCH (d:Dataset|Benchmark)
WHERE toLower($dataset) IN [toLower(d.id), toLower(d.name)] OR any(a IN d.aliases WHERE toLower(a) = toLower($dataset))
MATCH (r:Result)-[:RESULT_ON]->(d)
WHERE r.kind = 'absolute' AND r.polarity = 'asserted' AND r.number IS NOT NULL
MATCH (p:Paper)-[:REPORTS]->(r)
MATCH (e:Evidence {edge: r.id})
MATCH (r)-[:RESULT_OF]->(:Method|Paper)
OPTIONAL MATCH (r)-[:RESULT_IN]->(k:Metric)
OPTIONAL MATCH (r)-[:RESULT_OF]->(m:Method)
WITH r, p, e, k, m
WHERE $metric IS NULL OR (k IS NOT NULL AND (toLower($metric) IN [toLower(k.id), toLower(k.name)]
      OR any(a IN k.aliases WHERE toLower(a) = toLower($metric))))
RETURN k.name AS metric, coalesce(m.name, p.title) AS method, r.value AS value, r.number AS number,
       p.year AS year, p.title AS paper, e.confidence AS confidence, head(e.sentences) AS sentence, r.id AS edge
ORDER BY metric, CASE WHEN k.better = 'lower' THEN r.number ELSE -r.number END, year, method, value, edge
LIMIT $limit
