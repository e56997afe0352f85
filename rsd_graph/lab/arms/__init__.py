"""Who answers: RSD and its rivals, each an arm over the same three models. Nothing is graded."""
