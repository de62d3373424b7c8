import torch
from torch import nn

torch.manual_seed(0)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 32, padding_idx=0)
        self.head = nn.Linear(32, 7)

    def forward(self, tokens):
        return self.head(torch.tanh(self.embedding(tokens)))


model = Tagger().half()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(4):
    tokens = torch.randint(1, 5000, (8, 24))
    tokens[:, 12:] = 0
    labels = torch.randint(0, 7, (8, 24)).masked_fill(tokens == 0, -100)
    loss = nn.functional.cross_entropy(model(tokens).float().flatten(0, 1), labels.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
