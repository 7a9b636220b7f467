// used-together: Which data sets and benchmarks are evaluated on together with a data set?
// param dataset (Dataset, Benchmark): The data set or benchmark, by name, alias or id.
// param limit (integer = 20): Rows at most.
// column other (string): Name of the other data set.
// column papers (integer): Distinct papers that state an evaluation on both.
// column all_papers (integer): Distinct papers that mention the other.
MATCH (d:Dataset|Benchmark)
WHERE toLower($dataset) IN [toLower(d.id), toLower(d.name)] OR any(a IN d.aliases WHERE toLower(a) = toLower($dataset))
MATCH (p:Paper)-[:STATES]->(:Evidence {type: 'EVALUATED_ON', polarity: 'asserted', tail_id: d.id})
WITH DISTINCT d, p
MATCH (p)-[:STATES]->(e:Evidence {type: 'EVALUATED_ON', polarity: 'asserted'})
WHERE e.tail_id <> d.id
WITH e.tail_id AS id, count(DISTINCT p) AS papers
MATCH (other:Dataset|Benchmark {id: id})
RETURN other.name AS other, papers, other.papers AS all_papers
ORDER BY papers DESC, all_papers DESC, other
LIMIT $limit
