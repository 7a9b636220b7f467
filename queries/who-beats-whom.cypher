// who-beats-whom: Which methods are said to outperform which, and who says the opposite?
// Surest first.
// param dataset (Dataset, Benchmark = null): Only comparisons on this data set, by name, alias or id.
// param method (Method = null): Only comparisons with this method, by name, alias or id.
// param limit (integer = 20): Rows at most.
// column winner (string): The better method; the paper's title where it has no name.
// column loser (string): The other method.
// column dataset (string): On which data, where stated.
// column paper (string): Title of the paper that says so.
// column year (integer): Its year, where known.
// column contested (boolean): Whether some paper says the opposite, on the same data where that is stated.
// column confidence (float): Confidence of the statement.
// column sentences (list of string): What it says.
// column edge (string): Id of the relationship, for the evidence query.
MATCH (a:Method|Paper)-[r:OUTPERFORMS]->(b:Method)
WITH a, b, r.id AS edge
MATCH (p:Paper)-[:STATES]->(e:Evidence {edge: edge, polarity: 'asserted'})
OPTIONAL MATCH (d:Dataset|Benchmark {id: e.on})
WITH a, b, p, e, d
WHERE ($dataset IS NULL OR (d IS NOT NULL AND (toLower($dataset) IN [toLower(d.id), toLower(d.name)]
       OR any(x IN d.aliases WHERE toLower(x) = toLower($dataset)))))
  AND ($method IS NULL OR any(m IN [a, b] WHERE toLower($method) IN [toLower(m.id), toLower(m.name)]
       OR any(x IN coalesce(m.aliases, []) WHERE toLower(x) = toLower($method))))
OPTIONAL MATCH (o:Evidence {type: 'OUTPERFORMS', polarity: 'asserted', head_id: b.id, tail_id: a.id})
WHERE coalesce(o.on, '') = coalesce(e.on, '')
RETURN a.name AS winner, b.name AS loser, d.name AS dataset, p.title AS paper, p.year AS year,
       count(o) > 0 AS contested, e.confidence AS confidence, e.sentences AS sentences, e.edge AS edge
ORDER BY confidence DESC, winner, loser, dataset, year, paper
LIMIT $limit
