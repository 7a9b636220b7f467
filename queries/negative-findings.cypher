// negative-findings: Where is something said not to work, or not yet to be sure?
// That a method does without another ("needs no fine-tuning") is no such finding.
// param name (Method, Dataset, Benchmark, Task): What it is about, by name, alias or id.
// param limit (integer = 20): Rows at most.
// column polarity (string): negated, hedged, future or others.
// column type (string): Type of the relationship that is denied or doubted.
// column head (string): Name of its head; the paper's title where that has no name.
// column tail (string): Name of its tail.
// column paper (string): Title of the paper.
// column year (integer): Its year, where known.
// column confidence (float): How sure it is that the paper speaks of this relation.
// column sentences (list of string): What the paper says.
// column edge (string): Id of the statement, for the evidence query.
MATCH (x:Method|Dataset|Benchmark|Task)
WHERE toLower($name) IN [toLower(x.id), toLower(x.name)] OR any(a IN x.aliases WHERE toLower(a) = toLower($name))
WITH collect(DISTINCT x.id) AS ids
MATCH (p:Paper)-[:STATES]->(e:Evidence)
WHERE e.polarity <> 'asserted' AND e.type <> 'RESULT'
  AND NOT (e.polarity = 'negated' AND e.type IN ['BASED_ON', 'TRAINED_ON', 'PART_OF', 'DERIVED_FROM', 'IS_A'])
  AND (e.head_id IN ids OR e.tail_id IN ids)
WITH p, e
MATCH (h:Method|Dataset|Benchmark|Task|Metric|Paper {id: e.head_id})
WITH p, e, h
MATCH (t:Method|Dataset|Benchmark|Task|Metric|Paper {id: e.tail_id})
RETURN e.polarity AS polarity, e.type AS type, h.name AS head, t.name AS tail, p.title AS paper, p.year AS year, e.confidence AS confidence, e.sentences AS sentences,
       e.edge AS edge
ORDER BY polarity, type, head, tail, paper
LIMIT $limit
