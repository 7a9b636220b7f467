// dataset-alternatives: Which other data sets serve the same tasks as a data set?
// A data set serves a task where a paper says so, or applies a method to the task and evaluates on the data set.
// param dataset (Dataset, Benchmark): The data set or benchmark, by name, alias or id.
// param limit (integer = 20): Rows at most.
// column alternative (string): Name of the other data set.
// column shared_tasks (integer): Tasks that both serve.
// column tasks (list of string): Their names.
// column kin (boolean): Whether it is a version, part or derivative of the data set itself.
// column all_papers (integer): Distinct papers that mention the alternative.
// column last_year (integer): Year of the latest of them.
MATCH (d:Dataset|Benchmark)
WHERE toLower($dataset) IN [toLower(d.id), toLower(d.name)] OR any(a IN d.aliases WHERE toLower(a) = toLower($dataset))
MATCH (p:Paper)-[:STATES]->(b:Evidence {polarity: 'asserted'})
WHERE (b.type = 'FOR_TASK' AND b.head_id = d.id) OR (b.type = 'EVALUATED_ON' AND b.tail_id = d.id)
MATCH (p)-[:STATES]->(a:Evidence {polarity: 'asserted'})
WHERE (b.type = 'FOR_TASK' AND a.id = b.id) OR (b.type = 'EVALUATED_ON' AND a.type = 'APPLIED_TO')
WITH DISTINCT d, a.tail_id AS task
MATCH (q:Paper)-[:STATES]->(x:Evidence {polarity: 'asserted', tail_id: task})
WHERE x.type IN ['APPLIED_TO', 'FOR_TASK']
MATCH (q)-[:STATES]->(y:Evidence {polarity: 'asserted'})
WHERE (x.type = 'FOR_TASK' AND y.id = x.id) OR (x.type = 'APPLIED_TO' AND y.type = 'EVALUATED_ON')
WITH DISTINCT d, task, CASE WHEN x.type = 'FOR_TASK' THEN x.head_id ELSE y.tail_id END AS id
WHERE id <> d.id
MATCH (t:Task {id: task})
MATCH (other:Dataset|Benchmark {id: id})
WITH d, other, t
ORDER BY t.name
WITH d, other, collect(t.name) AS tasks
OPTIONAL MATCH (d)-[k:VARIANT_OF|DERIVED_FROM|PART_OF]-(other)
RETURN other.name AS alternative, size(tasks) AS shared_tasks, tasks, count(k) > 0 AS kin,
       other.papers AS all_papers, other.last_year AS last_year
ORDER BY shared_tasks DESC, kin, all_papers DESC, alternative
LIMIT $limit
