"""Every error that kgbuild raises on purpose.

    KGError
    ├─ SourceError     an input cannot be read, or a record in it is no paper   (path, line)
    ├─ SchemaError     graph.yaml or a row does not fit the schema              (where)
    ├─ RuleError       a lexicon row, pattern or rule is malformed              (file, row)
    ├─ ModelError      a trained model is missing, or made for other labels
    ├─ WorkspaceError  a workspace is missing, damaged, or in use               (path)
    ├─ DecisionError   decisions.yaml is malformed or names what does not exist (path)
    ├─ QueryError      unknown query, malformed header, missing or ill-typed parameter
    ├─ NotFoundError   no paper, entity or relationship by that name            (name, near names)
    └─ StoreError      a graph store cannot be reached or refuses a statement   (address, never the password)

Each message says what happened, where, and what to do about it.
"""


class KGError(Exception):
    """Root of all errors raised on purpose; the command line prints its message and exits with 1."""


class SourceError(KGError):
    """An input file cannot be read, or a record in it is no paper."""


class SchemaError(KGError):
    """The schema file is malformed, or something does not fit it."""


class RuleError(KGError):
    """A lexicon row, pattern or relation rule is malformed."""


class ModelError(KGError):
    """A trained model is missing, damaged, or made for other labels."""


class WorkspaceError(KGError):
    """A workspace is missing, damaged, or in use by another process."""


class DecisionError(KGError):
    """The user's decisions are malformed or name something that does not exist."""


class QueryError(KGError):
    """A query is unknown or malformed, or one of its parameters is missing or ill-typed."""


class NotFoundError(KGError):
    """No paper, entity or relationship goes by the given name."""


class StoreError(KGError):
    """A graph store cannot be reached, or refuses a statement. Messages never hold a password."""
