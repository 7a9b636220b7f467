// methods-for-task: Which methods are applied to a task, best supported first?
// param task (Task): The task, by name, alias or id.
// param limit (integer = 20): Rows at most.
// column method (string): Name of the method; the paper's title where the method has no name.
// column support (integer): Distinct papers that say so.
// column confidence (float): Confidence of the best statement.
// column first_year (integer): Year of the earliest of these papers.
// column last_year (integer): Year of the latest.
// column edge (string): Id of the relationship, for the evidence query.
MATCH (t:Task)
WHERE toLower($task) IN [toLower(t.id), toLower(t.name)] OR any(a IN t.aliases WHERE toLower(a) = toLower($task))
MATCH (m:Method|Paper)-[r:APPLIED_TO]->(t)
RETURN m.name AS method, r.support AS support, r.confidence AS confidence,
       r.first_year AS first_year, r.last_year AS last_year, r.id AS edge
ORDER BY support DESC, confidence DESC, method
LIMIT $limit
