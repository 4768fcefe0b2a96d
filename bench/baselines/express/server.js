// A task API with accounts as in tutorials: Express, Mongoose, jsonwebtoken, bcrypt, in one file and one process.
const bcrypt = require('bcrypt');
const express = require('express');
const jwt = require('jsonwebtoken');
const mongoose = require('mongoose');

const { DATABASE_URL, JWT_SECRET, PORT } = process.env;

const User = mongoose.model(
  'User',
  new mongoose.Schema(
    {
      email: { type: String, required: true, unique: true, lowercase: true, trim: true, maxlength: 254 },
      password: { type: String, required: true },
      name: { type: String, trim: true, maxlength: 100 },
    },
    { timestamps: true },
  ),
);

const taskSchema = new mongoose.Schema(
  {
    owner: { type: mongoose.Schema.Types.ObjectId, ref: 'User', required: true },
    title: { type: String, required: true, maxlength: 500 },
    notes: { type: String, maxlength: 16384 },
    status: { type: String, enum: ['todo', 'in_progress', 'done', 'cancelled'], default: 'todo' },
    priority: { type: String, enum: ['none', 'low', 'medium', 'high', 'urgent'], default: 'none' },
    labels: { type: [{ type: String, maxlength: 50 }], default: [] },
    due: Date,
  },
  { timestamps: true },
);
taskSchema.index({ owner: 1, createdAt: -1 });
const Task = mongoose.model('Task', taskSchema);

const app = express();
app.use(express.json());

function signIn(user) {
  return jwt.sign({ sub: user.id }, JWT_SECRET, { expiresIn: '15m' });
}

function authenticate(request, response, next) {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  try {
    if (scheme !== 'Bearer') throw new Error('no token');
    request.user = jwt.verify(token, JWT_SECRET).sub;
  } catch {
    return response.status(401).json({ message: 'Please authenticate.' });
  }
  next();
}

function pick(body, fields) {
  return Object.fromEntries(fields.filter((field) => field in body).map((field) => [field, body[field]]));
}

const FIELDS = ['title', 'notes', 'status', 'priority', 'labels', 'due'];

app.post('/auth/register', async (request, response) => {
  const { email, password, name } = request.body;
  if (typeof password !== 'string' || password.length < 8) {
    return response.status(400).json({ message: 'The password must have 8 characters.' });
  }
  const user = await User.create({ email, name, password: await bcrypt.hash(password, 10) });
  response.status(201).json({ token: signIn(user), user: { id: user.id, email: user.email, name: user.name } });
});

app.post('/auth/login', async (request, response) => {
  const { email, password } = request.body;
  const user = await User.findOne({ email: String(email) });
  if (!user || !(await bcrypt.compare(String(password), user.password))) {
    return response.status(401).json({ message: 'Wrong email or password.' });
  }
  response.json({ token: signIn(user), user: { id: user.id, email: user.email, name: user.name } });
});

app.post('/tasks', authenticate, async (request, response) => {
  response.status(201).json(await Task.create({ ...pick(request.body, FIELDS), owner: request.user }));
});

app.get('/tasks', authenticate, async (request, response) => {
  const limit = Math.min(Number(request.query.limit) || 50, 100);
  const page = Math.max(Number(request.query.page) || 1, 1);
  const tasks = await Task.find({ owner: request.user })
    .sort({ createdAt: -1 })
    .skip((page - 1) * limit)
    .limit(limit)
    .lean();
  response.json({ tasks });
});

app.get('/tasks/:id', authenticate, async (request, response) => {
  const task = await Task.findOne({ _id: request.params.id, owner: request.user }).lean();
  if (!task) return response.status(404).json({ message: 'There is no such task.' });
  response.json(task);
});

app.patch('/tasks/:id', authenticate, async (request, response) => {
  const options = { returnDocument: 'after', runValidators: true };
  const task = await Task.findOneAndUpdate(
    { _id: request.params.id, owner: request.user },
    pick(request.body, FIELDS),
    options,
  ).lean();
  if (!task) return response.status(404).json({ message: 'There is no such task.' });
  response.json(task);
});

app.delete('/tasks/:id', authenticate, async (request, response) => {
  const { deletedCount } = await Task.deleteOne({ _id: request.params.id, owner: request.user });
  response.status(deletedCount ? 204 : 404).end();
});

app.use((error, request, response, next) => {
  const refused = error.name === 'ValidationError' || error.name === 'CastError' || error.type === 'entity.parse.failed';
  if (!refused) console.error(error);
  response.status(refused ? 400 : error.code === 11000 ? 409 : 500).json({ message: refused ? error.message : 'Sorry.' });
});

async function main() {
  await mongoose.connect(DATABASE_URL);
  await Promise.all([User.init(), Task.init()]);
  const server = app.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
}

main();
