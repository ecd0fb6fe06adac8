"""Reading: one small encoder that finds the answer in passages, ranks them and says whether they answer at all."""
