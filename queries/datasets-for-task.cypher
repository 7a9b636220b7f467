// datasets-for-task: Which data sets and benchmarks serve a task, and which are used most lately?
// A data set serves a task where a paper says so, or applies a method to the task and evaluates on the data set.
// param task (Task): The task, by name, alias or id.
// param since (integer = 0): Count the papers of this year and later.
// param limit (integer = 20): Rows at most.
// column dataset (string): Name of the data set or benchmark.
// column label (string): Dataset or Benchmark.
// column papers (integer): Distinct papers since that year by which it serves the task.
// column last_year (integer): Year of the latest of them.
// column all_papers (integer): Distinct papers that mention it, for whatever.
MATCH (t:Task)
WHERE toLower($task) IN [toLower(t.id), toLower(t.name)] OR any(a IN t.aliases WHERE toLower(a) = toLower($task))
MATCH (p:Paper)-[:STATES]->(a:Evidence {polarity: 'asserted', tail_id: t.id})
WHERE a.type IN ['APPLIED_TO', 'FOR_TASK'] AND ($since = 0 OR p.year >= $since)
MATCH (p)-[:STATES]->(b:Evidence {polarity: 'asserted'})
WHERE (a.type = 'FOR_TASK' AND b.id = a.id) OR (a.type = 'APPLIED_TO' AND b.type = 'EVALUATED_ON')
WITH DISTINCT p, CASE WHEN a.type = 'FOR_TASK' THEN a.head_id ELSE b.tail_id END AS id
WITH id, count(p) AS papers, max(p.year) AS last_year
MATCH (d:Dataset|Benchmark {id: id})
RETURN d.name AS dataset, head(labels(d)) AS label, papers, last_year, d.papers AS all_papers
ORDER BY papers DESC, all_papers DESC, dataset
LIMIT $limit
