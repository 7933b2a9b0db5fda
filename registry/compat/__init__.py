"""What changed between two schema versions, whom it breaks, and the proof. Pure.

``engine`` is the way in. What it uses, in the order of a comparison:

* ``reading``, ``declared``, ``declared_fields``, ``features``: descriptors into a ``shape``, file by file;
* ``files``, ``messages``, ``fields``, ``field_types``, ``defaults``, ``oneofs``, ``reserved``, ``enums``,
  ``services``: the rules about structure, over a ``pair`` of shapes, with ``words`` to be pasted;
* ``validate_rules``, ``rule_*``, ``allowed``: how ``buf.validate`` rules changed;
* ``catalogue`` of all rules, from ``data_rules``, ``lineage_rules`` and ``source_rules``: what each does at
  most, with reasons; ``promise`` and ``finding`` are the values;
* ``explain``, ``places``, ``examples``, ``example_*``: where it stands, and events that prove it.
"""
